"""What happens in People: fields are edited, lists refreshed, cards moved on, forms sent in."""

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.tables import Row
from openfaith_sync.simulator.life.actions import Action, Json, below, known, make, state


def edit_field(
    church: SimulatedChurch, field_definition: int, owner: int, value: str | None, option: int | None = None
) -> Json:
    """Set a field of a person or household, or with no value clear it; its owner is not stamped.

    A field with check boxes has one datum for each box: setting a value ticks that one.
    """
    table = church.table("field_datum")
    kind = church.table("field_definition").value(church.row("field_definition", field_definition), "data_type")
    rows = [row for row in _data(church, owner) if table.reference(row, "field_definition") == field_definition]
    if value is None:
        for row in rows:
            church.delete("field_datum", row.id)
        return {"id": str(rows[0].id)} if rows else {}
    if kind == "checkboxes":
        rows = [row for row in rows if table.value(row, "value") == value]
    if rows:
        church.change("field_datum", rows[0].id, {"value": value})
        return {"id": str(rows[0].id)}
    links = {"field_definition": field_definition, "customizable": owner, "field_option": option}
    return {"id": str(make(church, "field_datum", links, {"value": value, "file": {"url": None}}))}


def untick(church: SimulatedChurch, field_datum: int) -> Json:
    """Untick a box, which deletes its datum."""
    church.delete("field_datum", field_datum)
    return {"id": str(field_datum)}


def rename_field(church: SimulatedChurch, field_definition: int, name: str) -> Json:
    """Rename a field; its slug stays what the first name made it."""
    church.change("field_definition", field_definition, {"name": name})
    return {"id": str(field_definition)}


def delete_field(church: SimulatedChurch, field_definition: int, *, restore: bool = False) -> Json:
    """Delete a field, which hides it and keeps its data, or restore it."""
    church.change("field_definition", field_definition, {"deleted_at": None if restore else church.now()})
    return {"id": str(field_definition)}


def refresh_list(church: SimulatedChurch, list: int, people: list[int]) -> Json:  # noqa: A002  the source's word
    """Refresh a list, so that these people are on it; its own stamp stays (planningcenter/developers #1497)."""
    table = church.table("list_result")
    on_it = {table.reference(row, "person"): row for row in below(church, "list_result", "list", list)}
    for person, row in on_it.items():
        if person not in people:
            church.delete("list_result", row.id)
    for person in people:
        if person not in on_it:
            make(church, "list_result", {"list": list, "person": person}, {})
    now = church.now()
    row = state(church, "list", list, {"refreshed_at": now, "batch_completed_at": now, "total_people": len(people)})
    church.announce("refreshed", church.table("list"), row)
    return {"id": str(list)}


def move_card(church: SimulatedChurch, workflow_card: int, step: int | None = None, stage: str = "ready") -> Json:
    """Move a card to a step, or complete or remove it; a removed card keeps its record."""
    now = church.now()
    values: Json = {"stage": stage, "moved_to_step_at": now}
    if stage in ("completed", "removed"):
        values[f"{stage}_at"] = now
    table = church.table("workflow_card")
    links = {"current_step": step} if "current_step" in table.link_position else {}
    church.change("workflow_card", workflow_card, known(table, values), links)
    church.announce("step_ready", table, church.row("workflow_card", workflow_card))
    return {"id": str(workflow_card)}


def submit_form(church: SimulatedChurch, form: int, person: int, answers: dict[str, str] | None = None) -> Json:
    """Send a form in, with an answer to each of some of its fields; the form counts it and is not stamped."""
    number = make(church, "form_submission", {"form": form, "person": person}, {"verified": True})
    for field, answer in (answers or {}).items():
        if not any(str(row.id) == field for row in below(church, "form_field", "form", form)):
            raise UsageError(f"form {form} has no field {field}")
        links = {"form_submission": number, "form_field": int(field)}
        make(church, "form_submission_value", links, {"display_value": answer, "attachments": []})
    return {"id": str(number)}


def _data(church: SimulatedChurch, owner: int) -> list[Row]:
    return below(church, "field_datum", "customizable", owner)


PEOPLE: dict[str, Action] = {
    "edit_field": edit_field,
    "untick": untick,
    "rename_field": rename_field,
    "delete_field": delete_field,
    "refresh_list": refresh_list,
    "move_card": move_card,
    "submit_form": submit_form,
}
