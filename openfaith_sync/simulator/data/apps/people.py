"""People's own work: notes, lists with their results, workflows with their cards, forms with what was sent."""

from typing import Any

from openfaith_sync.simulator.data.apps.people_fields import make_fields, make_lookups
from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_date_text, to_text
from openfaith_sync.simulator.data.unmodelled_resources import organization_id

_FOUNDED = 1_300_000_000


def make_people_life(filling: Filling) -> None:
    """Make what People holds besides people, households and their contacts."""
    if not filling.has("field_datum") or not filling.adults:
        return
    name = {"name": "Church of the Demonstration", "time_zone": "America/Chicago", "country_code": "US", "grades": []}
    filling.sheet("organization").add({}, name, at=_FOUNDED, number=int(organization_id(filling.seed)))
    make_lookups(filling)
    make_fields(filling)
    _make_notes(filling)
    _make_lists(filling)
    _make_workflows(filling)
    _make_forms(filling)
    rng = filling.rng("checks")
    for _ in range(filling.count(100)):
        links: dict[str, Any] = {"person": pick(rng, filling.adults), "created_by": some(rng, filling.adults)}
        done = filling.now - int(rng.random() * 900) * DAY_SECONDS
        values = {
            "status": "report_clear",
            "current": True,
            "completed_at": to_text(done),
            "status_updated_at": to_text(done),
        }
        values |= {"expires_on": to_date_text(done + 900 * DAY_SECONDS)}
        filling.sheet("background_check").add(links, values)
    for _ in range(filling.count(300)):
        site = pick(rng, ("Facebook", "Instagram"))
        profile = {"site": site, "url": f"https://{site.lower()}.example.org/someone", "verified": False}
        filling.sheet("social_profile").add({"person": pick(rng, filling.people)}, profile)


def _make_notes(filling: Filling) -> None:
    rng = filling.rng("notes")
    categories = filling.names("note_category", "Pastoral", "Prayer", "Office", "Visit")
    for _ in range(filling.count(3000, 3)):
        at = filling.now - int(rng.random() * 1500 * DAY_SECONDS)
        person, author, category = pick(rng, filling.people), pick(rng, filling.adults), pick(rng, categories)
        links: dict[str, Any] = {"person": person, "created_by": author, "note_category": category}
        links["organization"] = int(organization_id(filling.seed))
        ids = {"person_id": person, "created_by_id": author, "note_category_id": category}
        text = {"note": "Called; all is well.", "display_date": to_text(at), "organization_id": links["organization"]}
        filling.sheet("note").add(links, ids | text, at)


def _make_lists(filling: Filling) -> None:
    rng = filling.rng("lists")
    categories = filling.names("list_category", "Groups", "Mailings", "Leaders", "Other")
    for place in range(filling.count(80, 2)):
        count = min(len(filling.people), int(rng.random() * 2 * filling.each(100)))
        # Three in eight were refreshed within the last day.
        refreshed = filling.now - int(rng.random() * (1 if place % 8 < 3 else 90) * DAY_SECONDS)
        values = {
            "name": f"List {place + 1}",
            "name_or_description": f"List {place + 1}",
            "description": "People who match a rule.",
            "batch_completed_at": to_text(refreshed + 30),
            "refreshed_at": to_text(refreshed),
            "status": "complete",
            "total_people": count,
            "returns": "people",
        }
        made_by = some(rng, filling.adults)
        links: dict[str, Any] = {"category": pick(rng, categories), "created_by": made_by, "updated_by": made_by}
        number = filling.sheet("list").add(links, values, filling.now - (1200 - place) * DAY_SECONDS)
        for person in rng.sample(filling.people, count):
            filling.sheet("list_result").add({"list": number, "person": person}, at=refreshed, updated=refreshed)


def _make_workflows(filling: Filling) -> None:
    rng = filling.rng("workflows")
    categories = filling.names("workflow_category", "Care", "Newcomers", "Office")
    sheet, steps_sheet = filling.sheet("workflow"), filling.sheet("workflow_step")
    for place in range(12):
        archived = to_text(filling.now - 90 * DAY_SECONDS) if place == 11 else None
        cards = filling.count(125, 2)
        values = {"name": f"Workflow {place + 1}", "archived_at": archived, "deleted_at": None, "total_steps_count": 4}
        category = pick(rng, categories)
        links: dict[str, Any] = {"category": category, "workflow_category": category}
        ids = {"workflow_category_id": category, "campus_id": None, "total_cards_count": cards}
        workflow = sheet.add(links, values | ids)
        steps = []
        for sequence, name in enumerate(("Call", "Visit", "Invite", "Done")):
            helper = some(rng, filling.adults, 0.5)
            step = {"name": name, "sequence": sequence, "description": None, "default_assignee_id": helper}
            steps.append(steps_sheet.add({"workflow": workflow, "default_assignee": helper}, step))
        _make_cards(filling, workflow, steps, cards)


def _make_cards(filling: Filling, workflow: int, steps: list[int], count: int) -> None:
    rng = filling.rng(f"cards {workflow}")
    for _ in range(count):
        at = filling.now - int(rng.random() * 900 * DAY_SECONDS)
        moved = at + int(rng.random() * (filling.now - at))
        stage = pick(rng, ("ready", "snoozed", *["completed"] * 16, "removed", "removed"))
        person = pick(rng, filling.people)
        links: dict[str, Any] = {
            "workflow": workflow,
            "person": person,
            "assignee": some(rng, filling.adults, 0.8),
            "current_step": None if stage in ("completed", "removed") else pick(rng, steps),
        }
        values = {
            "stage": stage,
            "completed_at": to_text(moved) if stage == "completed" else None,
            "removed_at": to_text(moved) if stage == "removed" else None,
            "moved_to_step_at": to_text(moved),
            "snooze_until": to_text(filling.now + 9 * DAY_SECONDS) if stage == "snoozed" else None,
            "overdue": False,
        }
        card = filling.sheet("workflow_card").add(links, values, at, moved)
        if rng.random() < 0.3:
            note: dict[str, Any] = {"workflow_card": card, "person": person}
            filling.sheet("workflow_card_note").add(note, {"note": "Left a message."}, at)


def _make_forms(filling: Filling) -> None:
    rng = filling.rng("forms")
    categories = filling.names("form_category", "Newcomers", "Events", "Volunteers")
    definitions = filling.sheet("field_definition").ids()
    count = filling.count(25, 2)
    for place in range(count):
        archived = to_text(filling.now - 200 * DAY_SECONDS) if place % 10 == 9 else None
        sent = int(2 * rng.random() * filling.each(100, 2))
        values = {"name": f"Form {place + 1}", "active": archived is None, "archived": archived is not None}
        values |= {"archived_at": archived, "deleted_at": None, "submission_count": sent, "description": None}
        category = pick(rng, categories)
        links: dict[str, Any] = {"category": category, "form_category": category}
        form = filling.sheet("form").add(links, values, filling.now - (1000 - place) * DAY_SECONDS)
        fields: list[tuple[int, list[int]]] = []
        for sequence, kind in enumerate(("string", "text", "checkboxes", "date", "email")):
            about = {"field_type": kind, "label": f"Question {sequence + 1}", "sequence": sequence, "settings": {}}
            of_form: dict[str, Any] = {"form": form, "fieldable": some(rng, definitions, 0.2)}
            field = filling.sheet("form_field").add(of_form, {**about, "required": sequence == 0, "description": None})
            choices = ("Yes", "No", "Maybe") if kind == "checkboxes" else ()
            option = filling.sheet("form_field_option")
            of_field: dict[str, Any] = {"form_field": field}
            fields.append((field, [option.add(of_field, {"label": label, "sequence": 1}) for label in choices]))
        for _ in range(sent):
            at = filling.now - int(rng.random() ** 2 * 900 * DAY_SECONDS)
            submitted: dict[str, Any] = {"form": form, "person": pick(rng, filling.people)}
            verified = {"verified": True, "requires_verification": False}
            submission = filling.sheet("form_submission").add(submitted, verified, at)
            for field, options in fields:
                of_value: dict[str, Any] = {"form_submission": submission, "form_field": field}
                of_value["form_field_option"] = some(rng, options)
                answer: dict[str, Any] = {"display_value": "Yes" if options else "An answer.", "attachments": []}
                filling.sheet("form_submission_value").add(of_value, answer)
