"""Calendar: events with their instances, rooms and resources with bookings and requests, tags and feeds."""

from typing import Any

from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_text

_WEEK = 7 * DAY_SECONDS
_INSTANCES, _BOOKINGS = 17, 1.6
_NAMES = ("Board Meeting", "Choir", "Youth Night", "Wedding", "Food Pantry", "Concert", "Class", "Staff Lunch")
_ROOMS = ("Sanctuary", "Gym", "Room 101", "Kitchen", "Chapel", "Office", "Stage", "Library")


def make_calendar(filling: Filling) -> None:
    """Make the calendar of a church."""
    if not filling.has("calendar_event") or not filling.people:
        return
    rng = filling.rng("calendar")
    tags = _make_tags(filling)
    resources, questions, setups = _make_resources(filling)
    feeds = filling.names("feed", "Registrations", "Groups", "Services")
    for _ in range(filling.count(300)):
        at = filling.now - int(rng.random() * 900) * DAY_SECONDS
        values = {
            "approval_status": pick(rng, ("A", "A", "A", "A", "P", "R")),
            "name": f"{pick(rng, _NAMES)} {int(rng.random() * 99)}",
            "description": "Doors open half an hour before.",
            "featured": rng.random() < 0.1,
            "percent_approved": 100,
            "percent_rejected": 0,
        }
        owner = some(rng, filling.adults)
        links: dict[str, Any] = {
            "owner": owner,
            "tags": sorted(rng.sample(tags, 2)),
            "feed": some(rng, feeds, 0.3),
        }
        event = filling.sheet("calendar_event").add(links, values, at)
        booked = sorted(rng.sample(resources, min(len(resources), 1 + int(rng.random() * 3))))
        for resource in booked * 2:
            _make_request(filling, event, resource, questions, some(rng, setups, 0.3), at)
        _make_instances(filling, event, booked, tags, at)
        if rng.random() < 0.2:
            connected = {
                "connected_to_id": str(event % 99),
                "connected_to_name": "Signup",
                "connected_to_type": "event",
            }
            product = {"product_name": pick(rng, ("groups", "registrations", "check-ins")), "promoted": False}
            filling.sheet("event_connection").add({"event": event}, connected | product)
        file = {"name": "flyer.pdf", "content_type": "application/pdf", "file_size": 20_480}
        filling.sheet("calendar_attachment").add({"event": event}, file, at)
    events = filling.sheet("calendar_event").ids()
    for _ in range(filling.count(150)):
        links = {"resource": pick(rng, resources), "resolved_by": some(rng, filling.adults, 0.5)}
        links["winner"] = some(rng, events, 0.5)
        filling.sheet("conflict").add(links, {"note": None, "resolved_at": None})


def _make_tags(filling: Filling) -> list[int]:
    groups = filling.names("calendar_tag_group", "Campus", "Ministry")
    tags = filling.sheet("calendar_tag")
    names = ("North", "Downtown", "Online", "Youth", "Music", "Missions")
    return [
        tags.add({"tag_group": groups[place // 3]}, {"name": name, "color": "#336699", "position": float(place)})
        for place, name in enumerate(names)
    ]


def _make_resources(filling: Filling) -> tuple[list[int], list[int], list[int]]:
    rng = filling.rng("resources")
    folders = filling.sheet("resource_folder")
    root = folders.add({}, {"name": "Campus", "kind": "Room", "ancestry": None, "path_name": "Campus"})
    others = [
        folders.add({}, {"name": name, "kind": kind, "ancestry": str(root), "path_name": f"Campus / {name}"})
        for name, kind in (("Main building", "Room"), ("Annex", "Room"), ("Equipment", "Resource"))
    ]
    groups = filling.names("resource_approval_group", "Facilities", "Media", "Kitchen")
    resources, questions = [], []
    for place in range(filling.count(60, 6)):
        is_room = place % 3 > 0
        name = f"{_ROOMS[place % len(_ROOMS)]} {place + 1}" if is_room else f"Projector {place + 1}"
        values = {
            "name": name,
            "kind": "Room" if is_room else "Resource",
            "quantity": 1,
            "path_name": f"Campus / {name}",
        }
        links: dict[str, Any] = {
            "resource_folder": pick(rng, others),
            "resource_approval_groups": [pick(rng, groups)] if rng.random() < 0.3 else [],
        }
        resource = filling.sheet("resource").add(links, {**values, "expires_at": None, "image": {}})
        resources.append(resource)
        if rng.random() < 0.5:
            of_question = {"question": "How many chairs?", "kind": "text", "optional": True, "position": 1}
            questions.append(filling.sheet("resource_question").add({"resource": resource}, of_question))
    setups = []
    for name in ("Rows", "Tables", "Circle"):
        setup = filling.sheet("room_setup").add(
            {"containing_resource": pick(rng, resources)}, {"name": name, "diagram": {}}
        )
        setups.append(setup)
        for resource in rng.sample(resources, 2):
            suggested: dict[str, Any] = {"room_setup": setup, "resource": resource}
            filling.sheet("resource_suggestion").add(suggested, {"quantity": 2})
    return resources, questions, setups


def _make_request(
    filling: Filling, event: int, resource: int, questions: list[int], setup: int | None, at: int
) -> None:
    rng = filling.rng(f"request {event} {resource}")
    person = some(rng, filling.adults)
    links: dict[str, Any] = {"event": event, "resource": resource, "created_by": person, "updated_by": person}
    status = pick(rng, ("A", "A", "A", "P", "R"))
    values = {"approval_status": status, "approval_sent": status != "P", "notes": None, "quantity": 1}
    request = filling.sheet("event_resource_request").add({**links, "room_setup": setup}, values, at)
    if questions and rng.random() < 0.2:
        answered: dict[str, Any] = {"event_resource_request": request, "resource_question": pick(rng, questions)}
        answer = {"answer": {"text": "40"}, "question": {"text": "How many chairs?"}}
        filling.sheet("event_resource_answer").add({**answered, "created_by": person}, answer, at)


def _make_instances(filling: Filling, event: int, booked: list[int], tags: list[int], at: int) -> None:
    rng = filling.rng(f"instances {event}")
    first = at + int(rng.random() * 30) * DAY_SECONDS + 64_800
    count = max(1, round(rng.random() * 2 * _INSTANCES))
    for place in range(count):
        starts = first + place * _WEEK
        values = {
            "all_day_event": False,
            "starts_at": to_text(starts),
            "ends_at": to_text(starts + 7200),
            "published_starts_at": to_text(starts),
            "published_ends_at": to_text(starts + 7200),
            "recurrence": "Every week" if count > 1 else None,
            "location": "Main building",
            "kind": "series" if count > 1 else "event",
        }
        links: dict[str, Any] = {"event": event, "tags": [pick(rng, tags)]}
        instance = filling.sheet("event_instance").add(links, values, at)
        for name, offset in (("Setup", -3600), ("Event", 0))[int(rng.random() * 2) :]:
            of_time = {"name": name, "starts_at": to_text(starts + offset), "ends_at": to_text(starts + 7200)}
            filling.sheet("calendar_event_time").add({"event": event, "event_instance": instance}, of_time)
        for resource in booked if rng.random() < _BOOKINGS / 2 else []:
            of_booking: dict[str, Any] = {"event": event, "event_instance": instance, "resource": resource}
            span = {"starts_at": to_text(starts - 3600), "ends_at": to_text(starts + 10_800), "quantity": 1}
            filling.sheet("resource_booking").add(of_booking, span, at)
