"""Check-ins: gatherings of three years, who checked in where, with guests, volunteers and children, and headcounts."""

from dataclasses import dataclass, field
from typing import Any

from openfaith_sync.simulator.data.filling import Filling
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_text

_WEEK = 7 * DAY_SECONDS
_WEEKS = 156
_HOUR = 3600
_KINDS = (
    "Regular",
    "Regular",
    "Regular",
    "Regular",
    "Regular",
    "Regular",
    "Regular",
    "Guest",
    "Volunteer",
    "Volunteer",
)
_EVENTS = (
    # Name, weekday from Monday, hours of its times, every so many weeks, check-ins at a time for 2,000 people.
    ("Sunday Morning", 6, (9, 11), 1, 75),
    ("Kids", 6, (9,), 1, 60),
    ("Youth", 2, (18,), 1, 40),
    ("Seniors", 3, (14,), 2, 35),
    ("Holiday Club", 0, (10,), 13, 60),
)


@dataclass(slots=True)
class _Event:
    """A kind of gathering, and what its check-ins refer to."""

    id: int
    locations: list[int]
    attendance_types: list[int]
    crowd: list[int]
    """The people who usually come."""


@dataclass(slots=True)
class _Counts:
    """Who came to one time or period."""

    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))

    def values(self) -> dict[str, int]:
        """Return the counts as the source names them."""
        named = {f"{kind.lower()}_count": count for kind, count in self.found.items()}
        return named | {"total_count": sum(self.found.values())}


def make_check_ins(filling: Filling) -> None:
    """Make the gatherings of a church, oldest first."""
    if not filling.has("check_in") or not filling.people:
        return
    rng = filling.rng("check_ins")
    options = [filling.sheet("check_in_option").add({}, {"body": body, "quantity": 1}) for body in ("Snack", "Pager")]
    events = [_make_event(filling, place) for place in range(len(_EVENTS))]
    weeks = filling.weeks(_WEEKS)
    start = filling.now - filling.now % _WEEK - weeks * _WEEK - 3 * DAY_SECONDS
    for week in range(weeks):
        for event, (_, weekday, hours, every, size) in zip(events, _EVENTS, strict=True):
            at = start + week * _WEEK + weekday * DAY_SECONDS
            if week % every == 0 and at < filling.now:
                _make_period(filling, event, at, hours, filling.count(size * (0.7 + 0.6 * rng.random())), options)
    for event in events[:3]:
        values = {
            "remote_app": "services",
            "remote_type": "ServiceType",
            "remote_id": "1",
            "remote_gid": f"gid://{event.id}",
        }
        filling.sheet("integration_link").add({"local": event.id}, values)


def _make_event(filling: Filling, place: int) -> _Event:
    rng, (name, *_) = filling.rng(f"check-in event {place}"), _EVENTS[place]
    is_old = place == len(_EVENTS) - 1
    founded = filling.now - (_WEEKS + 4) * _WEEK
    values = {
        "name": name,
        "archived_at": to_text(filling.now - 10 * _WEEK) if is_old else None,
        "frequency": "None" if is_old else "Weekly",
        "integration_key": None,
    }
    event = filling.sheet("check_in_event").add({"campuses": []}, values, founded)
    sheet = filling.sheet("check_in_location")
    folder = sheet.add(
        {"event": event, "parent": None}, {"name": f"{name} rooms", "kind": "Folder", "position": 0}, founded
    )
    rooms = [
        sheet.add(
            {"event": event, "parent": folder},
            {"name": f"Room {room + 1}", "kind": "Location", "position": room + 1, "questions": []},
            founded,
        )
        for room in range(11)
    ]
    types = [
        filling.sheet("attendance_type").add({"event": event}, {"name": kind, "color": "#cccccc"}, founded)
        for kind in ("Adults", "Walk-ins")
    ]
    people = filling.children if name in ("Kids", "Youth", "Holiday Club") and filling.children else filling.people
    return _Event(event, rooms, types, rng.sample(people, max(1, min(len(people), filling.count(250)))))


def _make_period(
    filling: Filling, event: _Event, day: int, hours: tuple[int, ...], size: int, options: list[int]
) -> None:
    """Make one day of an event: its times, who came, and what the counts of both say."""
    rng = filling.rng(f"period {event.id} {day}")
    span = {
        "starts_at": to_text(day + hours[0] * _HOUR),
        "ends_at": to_text(day + (hours[-1] + 2) * _HOUR),
        "note": None,
    }
    period = filling.sheet("event_period").add({"event": event.id}, span, day, day + DAY_SECONDS)
    of_period, of_times, times = _Counts(), [], []
    for hour in hours:
        starts = day + hour * _HOUR
        values: dict[str, Any] = {
            "day_of_week": (day // DAY_SECONDS + 4) % 7,
            "hour": hour,
            "minute": 0,
            "name": None,
            "starts_at": to_text(starts),
            "shows_at": to_text(starts - _HOUR),
            "hides_at": to_text(starts + _HOUR),
        }
        times.append(
            filling.sheet("event_time").add({"event": event.id, "event_period": period}, values, day, starts + _HOUR)
        )
        of_times.append(_Counts())
    serving: set[int] = set()
    for place, hour in enumerate(hours):
        # Nobody comes twice to one time.
        for person in rng.sample(event.crowd, min(size, len(event.crowd))):
            if person in serving:
                continue
            kind = pick(rng, _KINDS)
            both = len(times) > 1 and kind == "Volunteer" and place == 0
            serving |= {person} if both else set()
            at = day + hour * _HOUR - int(rng.random() * 1200)
            _check_in(filling, event, period, times if both else [times[place]], (person, kind, at), options)
            of_period.found[kind] += 1
            for number in range(len(times)) if both else [place]:
                of_times[number].found[kind] += 1
    filling.sheet("event_period").state(period, of_period.values())
    for number, counts, hour in zip(times, of_times, hours, strict=True):
        filling.sheet("event_time").state(number, counts.values())
        for type_id in event.attendance_types:
            if rng.random() < 0.8:
                head = filling.sheet("headcount")
                at = day + (hour + 1) * _HOUR
                head.add({"event_time": number, "attendance_type": type_id}, {"total": int(rng.random() * 80)}, at, at)


def _check_in(
    filling: Filling, event: _Event, period: int, times: list[int], who: tuple[int, str, int], options: list[int]
) -> None:
    person, kind, at = who
    draw = (person * 2_654_435_761 + at) % 1000 / 1000
    # A guest who comes once has a name, but is nobody in People.
    is_nobody = kind == "Guest" and draw < 0.6
    last = filling.text(person, "last_name")
    is_child = person in filling.child_set
    values = {
        "checked_out_at": to_text(at + 5400) if is_child and draw < 0.9 else None,
        "confirmed_at": to_text(at + 60) if draw < 0.5 else None,
        "emergency_contact_name": f"Parent {last}" if is_child else None,
        "emergency_contact_phone_number": "(512) 555-0100" if is_child else None,
        "first_name": filling.text(person, "first_name"),
        "kind": kind,
        "last_name": last,
        "medical_notes": None,
        "number": int(draw * 999),
        "one_time_guest": is_nobody,
        "security_code": f"{int(draw * 46_655):03X}" if is_child else None,
    }
    location = event.locations[int(draw * 997) % len(event.locations)]
    keeper = filling.adults[int(draw * len(filling.adults))] if is_child and filling.adults else None
    links: dict[str, Any] = {
        "person": None if is_nobody else person,
        "event": event.id,
        "event_period": period,
        "event_times": times,
        "locations": [location],
        "options": [options[0]] if draw < 0.1 else [],
        "checked_in_by": keeper,
        "checked_out_by": keeper if values["checked_out_at"] else None,
    }
    updated = at + 5400 if values["checked_out_at"] else at
    number = filling.sheet("check_in").add(links, values, at, updated)
    for time in times:
        of_time = {"kind": kind, "has_validated": False, "services_integrated": kind == "Volunteer", "alerts": []}
        of_links: dict[str, Any] = {"check_in": number, "event_time": time, "location": location}
        filling.sheet("check_in_time").add(of_links, of_time, at)
