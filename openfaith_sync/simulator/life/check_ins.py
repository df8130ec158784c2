"""What happens at the stations: people check in and out, and are counted."""

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.life.actions import Action, Json, below, known, make, one_reference, state

_KINDS = ("Regular", "Guest", "Volunteer")


def check_in(
    church: SimulatedChurch,
    event_time: int,
    person: int | None = None,
    kind: str = "Regular",
    location: int | None = None,
    by: int | None = None,
) -> Json:
    """Check somebody in at a time; without a person, a guest who comes once."""
    if kind not in _KINDS:
        raise UsageError(f"{kind!r} is none of {', '.join(_KINDS)}")
    times, time = church.table("event_time"), church.row("event_time", event_time)
    links = {
        "person": person,
        "event": one_reference(times, time, "event") if "event" in times.link_position else None,
        "event_period": one_reference(times, time, "event_period"),
        "event_times": [event_time],
        "locations": [location] if location else [],
        "options": [],
        "checked_in_by": by,
    }
    people = church.world.tables.get("person")
    row = people.rows.get(person) if people and person is not None else None
    names = {name: people.value(row, name) if people and row else "Guest" for name in ("first_name", "last_name")}
    values = {**names, "kind": kind, "one_time_guest": person is None, "security_code": "AB12"}
    number = make(church, "check_in", links, values)
    of_time = {"check_in": number, "event_time": event_time, "location": location}
    make(church, "check_in_time", of_time, {"kind": kind, "alerts": []})
    _count(church, event_time)
    return {"id": str(number)}


def check_out(church: SimulatedChurch, check_in: int, by: int | None = None) -> Json:
    """Check somebody out, which stamps the check-in."""
    table = church.table("check_in")
    links = {"checked_out_by": by} if by and "checked_out_by" in table.link_position else {}
    church.change("check_in", check_in, known(table, {"checked_out_at": church.now()}), links)
    return {"id": str(check_in)}


def remove_check_in(church: SimulatedChurch, check_in: int) -> Json:
    """Delete a check-in that was a mistake."""
    times = [
        one_reference(church.table("check_in_time"), row, "event_time")
        for row in below(church, "check_in_time", "check_in", check_in)
    ]
    church.delete("check_in", check_in)
    for event_time in times:
        _count(church, event_time)
    return {"id": str(check_in)}


def count_heads(church: SimulatedChurch, event_time: int, attendance_type: int, total: int) -> Json:
    """State how many people of a kind came without checking in."""
    for row in below(church, "headcount", "event_time", event_time):
        if church.table("headcount").reference(row, "attendance_type") == attendance_type:
            church.change("headcount", row.id, {"total": total})
            return {"id": str(row.id)}
    links = {"event_time": event_time, "attendance_type": attendance_type}
    return {"id": str(make(church, "headcount", links, {"total": total}))}


def _count(church: SimulatedChurch, event_time: int) -> None:
    """Set the counts of a time and of its period to what was checked in; that stamps neither."""
    times, of_times = church.table("event_time"), church.table("check_in_time")
    found = [of_times.value(row, "kind") for row in below(church, "check_in_time", "event_time", event_time)]
    state(church, "event_time", event_time, _counts(found) | {"total_count": len(found)})
    period = one_reference(times, church.row("event_time", event_time), "event_period")
    if "event_period" in church.world.tables:
        rows = below(church, "check_in", "event_period", period)
        state(church, "event_period", period, _counts([church.table("check_in").value(row, "kind") for row in rows]))


def _counts(kinds: list[str]) -> Json:
    return {f"{kind.lower()}_count": kinds.count(kind) for kind in _KINDS}


CHECK_INS: dict[str, Action] = {
    "check_in": check_in,
    "check_out": check_out,
    "remove_check_in": remove_check_in,
    "count_heads": count_heads,
}
