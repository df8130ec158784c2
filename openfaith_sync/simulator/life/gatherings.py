"""What happens in Groups, Calendar, Registrations and Publishing."""

from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.tables import Row
from openfaith_sync.simulator.life.actions import Action, Json, below, known, make, one_reference, state


def archive_group(church: SimulatedChurch, group: int, *, restore: bool = False) -> Json:
    """Archive a group, or bring it back."""
    church.change("group", group, {"archived_at": None if restore else church.now()})
    return {"id": str(group)}


def hold_meeting(church: SimulatedChurch, event: int, present: list[int], visitors: int = 0) -> Json:
    """State who came to a meeting: every member of the group has a row, also those who did not come."""
    events = church.table("event")
    group = one_reference(events, church.row("event", event), "group")
    members = church.table("group_membership")
    expected = {members.reference(row, "person"): members.value(row, "role") for row in _members(church, group)}
    noted = {
        church.table("attendance").reference(row, "person"): row for row in below(church, "attendance", "event", event)
    }
    for person in [*expected, *(one for one in present if one not in expected)]:
        values = {"attended": person in present, "role": expected.get(person, "visitor")}
        if person in noted:
            church.change("attendance", noted[person].id, values)
        else:
            make(church, "attendance", {"event": event, "person": person}, values)
    state(church, "event", event, {"visitors_count": visitors})
    return {"id": str(event)}


def approve_request(church: SimulatedChurch, event_resource_request: int, status: str = "A") -> Json:
    """Approve or reject the request for a room or resource."""
    values = {"approval_status": status, "approval_sent": True}
    table = church.table("event_resource_request")
    church.change("event_resource_request", event_resource_request, known(table, values))
    if status == "A":
        church.announce("approved", table, church.row("event_resource_request", event_resource_request))
    return {"id": str(event_resource_request)}


def rename_calendar_event(church: SimulatedChurch, calendar_event: int, name: str) -> Json:
    """Rename an event and its instances, which are not stamped for it (planningcenter/developers #1385)."""
    church.change("calendar_event", calendar_event, {"name": name})
    for row in below(church, "event_instance", "event", calendar_event):
        state(church, "event_instance", row.id, {"name": name})
    return {"id": str(calendar_event)}


def register(church: SimulatedChurch, signup: int, people: list[int]) -> Json:
    """Sign people up together."""
    registration = make(church, "registration", {"signup": signup}, {})
    types = below(church, "selection_type", "signup", signup)
    links = {"signup": signup, "registration": registration, "selection_type": types[0].id if types else None}
    values = {"active": True, "canceled": False, "waitlisted": False, "complete": True}
    made = [make(church, "attendee", links | {"person": person}, values) for person in people]
    return {"ids": [str(number) for number in made]}


def cancel_attendee(church: SimulatedChurch, attendee: int) -> Json:
    """Cancel somebody's place."""
    church.change("attendee", attendee, {"active": False, "canceled": True})
    return {"id": str(attendee)}


def close_signup(church: SimulatedChurch, signup: int) -> Json:
    """Close a signup."""
    values = {"open": False, "closed": True, "close_at": church.now()}
    church.change("signup", signup, known(church.table("signup"), values))
    return {"id": str(signup)}


def publish_episode(church: SimulatedChurch, episode: int) -> Json:
    """Publish an episode."""
    now = church.now()
    values = {"published_live_at": now, "published_to_library_at": now}
    church.change("episode", episode, known(church.table("episode"), values))
    return {"id": str(episode)}


def _members(church: SimulatedChurch, group: int) -> list[Row]:
    return below(church, "group_membership", "group", group)


GATHERINGS: dict[str, Action] = {
    "archive_group": archive_group,
    "hold_meeting": hold_meeting,
    "approve_request": approve_request,
    "rename_calendar_event": rename_calendar_event,
    "register": register,
    "cancel_attendee": cancel_attendee,
    "close_signup": close_signup,
    "publish_episode": publish_episode,
}
