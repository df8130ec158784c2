"""What happens in Services: people are scheduled and answer, plans get items and notes, dates move."""

from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.life.actions import Action, Json, below, known, make, one_reference, state


def schedule(
    church: SimulatedChurch, plan: int, person: int, team: int | None = None, position: str | None = None
) -> Json:
    """Schedule a person for a plan: an event names the plan, whose stamp stays (planningcenter/developers #839)."""
    plans, row = church.table("plan"), church.row("plan", plan)
    times = [time.id for time in below(church, "plan_time", "plan", plan)]
    service_type = one_reference(plans, row, "service_type")
    links: Json = {"plan": plan, "person": person, "team": team, "service_type": service_type}
    links |= {"times": times, "service_times": times, "time_preference_options": []}
    people = church.world.tables.get("person")
    name = people.value(people.rows[person], "name") if people else None
    values = {"status": "U", "name": name, "team_position_name": position, "prepare_notification": True}
    number = make(church, "plan_person", links, values)
    for time in times:
        of_time = {"service_type": service_type, "plan": plan, "plan_time": time, "plan_person": number}
        make(church, "plan_person_time", of_time, {"status": "U"})
    church.announce("updated", plans, row)
    return {"id": str(number)}


def answer(church: SimulatedChurch, plan_person: int, status: str, reason: str | None = None) -> Json:
    """Confirm or decline; only the person's own rows show it, for which there are no events."""
    values = {"status": status, "status_updated_at": church.now(), "decline_reason": reason}
    church.change("plan_person", plan_person, known(church.table("plan_person"), values))
    for row in below(church, "plan_person_time", "plan_person", plan_person):
        church.change("plan_person_time", row.id, {"status": status})
    return {"id": str(plan_person)}


def unschedule(church: SimulatedChurch, plan_person: int) -> Json:
    """Remove a person from a plan, with their times."""
    table = church.table("plan_person")
    plan = one_reference(table, church.row("plan_person", plan_person), "plan")
    for row in below(church, "plan_person_time", "plan_person", plan_person):
        church.delete("plan_person_time", row.id)
    church.delete("plan_person", plan_person)
    church.announce("updated", church.table("plan"), church.row("plan", plan))
    return {"id": str(plan_person)}


def add_item(
    church: SimulatedChurch, plan: int, title: str, length: int = 240, song: int | None = None, note: str | None = None
) -> Json:
    """Add an item to a plan, which counts it and its length and is not stamped."""
    links = {"plan": plan, "song": song}
    place = len(below(church, "item", "plan", plan)) + 1
    values = {"title": title, "length": length, "sequence": place, "item_type": "song" if song else "item"}
    number = make(church, "item", links, values)
    if note is not None:
        make(church, "item_note", {"item": number}, {"content": note})
    _measure(church, plan)
    return {"id": str(number)}


def remove_item(church: SimulatedChurch, item: int) -> Json:
    """Remove an item from its plan."""
    plan = one_reference(church.table("item"), church.row("item", item), "plan")
    church.delete("item", item)
    _measure(church, plan)
    return {"id": str(item)}


def add_plan_note(church: SimulatedChurch, plan: int, content: str) -> Json:
    """Write a note to a plan, which counts it and is not stamped (planningcenter/developers #251)."""
    return {"id": str(make(church, "plan_note", {"plan": plan, "teams": []}, {"content": content}))}


def retitle_plan(church: SimulatedChurch, plan: int, title: str) -> Json:
    """Change a plan's title, which stamps it."""
    church.change("plan", plan, {"title": title})
    return {"id": str(plan)}


def go_live(church: SimulatedChurch, plan: int) -> Json:
    """Start a plan's services; an event of its own tells of it, and the plan is not stamped."""
    now = church.now()
    for row in below(church, "plan_time", "plan", plan):
        if church.table("plan_time").value(row, "time_type") == "service":
            state(church, "plan_time", row.id, {"live_starts_at": now})
    church.announce("live.updated", church.table("plan"), church.row("plan", plan))
    return {"id": str(plan)}


def join_team(church: SimulatedChurch, team: int, person: int, team_position: int | None = None) -> Json:
    """Assign a person to a team, which is not stamped."""
    links: Json = {"team": team, "person": person, "team_position": team_position, "time_preference_options": []}
    number = make(church, "person_team_position_assignment", links, {"preferred_weeks": []})
    return {"id": str(number)}


def _measure(church: SimulatedChurch, plan: int) -> None:
    table = church.table("item")
    lengths = [table.value(row, "length") or 0 for row in below(church, "item", "plan", plan)]
    state(church, "plan", plan, {"total_length": sum(lengths)})


SERVICES: dict[str, Action] = {
    "schedule": schedule,
    "answer": answer,
    "unschedule": unschedule,
    "add_item": add_item,
    "remove_item": remove_item,
    "add_plan_note": add_plan_note,
    "retitle_plan": retitle_plan,
    "go_live": go_live,
    "join_team": join_team,
}
