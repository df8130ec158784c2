"""Groups: their types, tags and places, two years of meetings, and who came."""

from typing import Any

from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.tables import Row, Table, TextId
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_seconds, to_text
from openfaith_sync.simulator.data.word_lists import EVENT_NAMES

_WEEK = 7 * DAY_SECONDS
_MEETINGS, _AHEAD = 46, 3
_TAGS = (
    ("Season of life", ("Young adults", "Parents", "Retired", "Students")),
    ("Day", ("Monday", "Tuesday", "Friday")),
)


def make_group_life(filling: Filling) -> None:
    """Make the life of the groups that exist."""
    if not filling.has("group", "event", "attendance"):
        return
    groups = filling.world.tables["group"]
    rng = filling.rng("groups")
    _make_types(filling)
    tags = _make_tags(filling)
    _make_locations(filling, groups)
    for group in groups.rows.values():
        if "tag_ids" in groups.position:
            group.values[groups.position["tag_ids"]] = sorted(rng.sample(tags, 2))
        status = "closed" if groups.value(group, "archived_at") else pick(rng, ("open", "open", "full"))
        limit = pick(rng, (None, 12, 20))
        values = {"status": status, "strategy": "request_to_join", "member_limit": limit, "date_limit": None}
        values |= {"member_limit_reached": status == "full", "date_limit_reached": False, "auto_closed": False}
        filling.sheet("group_enrollment").add({"group": group.id}, {**values, "auto_closed_reason": None})
        _make_meetings(filling, groups, group)
    for _ in range(filling.count(120)):
        applied = filling.now - int(rng.random() * 700) * DAY_SECONDS
        links: dict[str, Any] = {"group": some(rng, list(groups.rows)), "person": some(rng, filling.people)}
        status = pick(rng, ("approved", "approved", "rejected", "pending"))
        values = {"applied_at": to_text(applied), "message": "May I join?", "status": status}
        if None not in links.values():
            filling.sheet("group_application").add(links, values, applied)
    _make_attendances(filling)


def _make_types(filling: Filling) -> None:
    sheet = filling.sheet("group_type")
    if sheet.table is None:
        return
    for place, name in enumerate(("Unique Groups", "Small Groups", "Classes", "Teams")):
        number = 3_532_157 + place if place else TextId(1, "unique")
        values = {"name": name, "position": place, "church_center_visible": place > 0, "default_group_settings": {}}
        sheet.add({}, values, number=number)


def _make_tags(filling: Filling) -> list[int]:
    tags = []
    for place, (name, words) in enumerate(_TAGS):
        values = {"name": name, "position": place, "display_publicly": True, "multiple_options_enabled": True}
        group = filling.sheet("group_tag_group").add({}, values)
        for position, word in enumerate(words):
            links: dict[str, Any] = {"tag_group": group}
            tags.append(filling.sheet("group_tag").add(links, {"name": word, "position": position}))
    return tags


def _make_locations(filling: Filling, groups: Table) -> None:
    """Make the places that groups and meetings refer to; below a group, each group has its own."""
    sheet, rng = filling.sheet("group_location"), filling.rng("group locations")
    if sheet.table is None:
        return
    nested = sheet.table.entity.nested
    for group in groups.rows.values():
        number = groups.reference(group, "location")
        if isinstance(number, int) and (nested or number not in sheet.table.rows):
            place = int(rng.random() * 900)
            values = {"name": f"House {place}", "full_formatted_address": f"{place} Oak Avenue\nAustin, TX 78701"}
            values |= {"display_preference": pick(rng, ("hidden", "exact", "approximate")), "strategy": "exact"}
            values |= {"latitude": 30.2 + place / 10_000, "longitude": -97.7, "radius": 1000}  # type: ignore[dict-item]
            sheet.add({"group": group.id}, values, number=None if nested else number)


def _make_meetings(filling: Filling, groups: Table, group: Row) -> None:
    """Make a meeting every other week for two years, and the next ones."""
    rng, sheet = filling.rng(f"meetings {group.id}"), filling.sheet("event")
    ended = to_seconds(groups.value(group, "archived_at")) or filling.now + 52 * _WEEK
    evening = 18 + int(rng.random() * 3)
    past = filling.weeks(2 * _MEETINGS) // 2
    first = filling.now - filling.now % _WEEK - 2 * past * _WEEK + int(rng.random() * 7) * DAY_SECONDS
    series = 950_000 + group.id % 9999
    for place in range(past + _AHEAD):
        starts = first + 2 * place * _WEEK + evening * 3600
        if starts > ended:
            break
        is_canceled, is_past = rng.random() < 0.04, starts < filling.now
        values = {
            "canceled": is_canceled,
            "canceled_at": to_text(starts - DAY_SECONDS) if is_canceled else None,
            "ends_at": to_text(starts + 5400),
            "image": None,
            "location_type_preference": groups.value(group, "location_type_preference"),
            "multi_day": False,
            "name": pick(rng, EVENT_NAMES),
            "reminders_sent": is_past,
            "reminders_sent_at": to_text(starts - DAY_SECONDS) if is_past else None,
            "repeating": True,
            "starts_at": to_text(starts),
            "virtual_location_url": None,
            "visitors_count": int(rng.random() * 4) if is_past and not is_canceled else 0,
        }
        location = groups.reference(group, "location")
        links: dict[str, Any] = {"group": group.id, "location": location, "repeating_event": series}
        sheet.add(links, values)


def _make_attendances(filling: Filling) -> None:
    """Note for each meeting that took place which members came, and which visitors."""
    events, members = filling.world.tables["event"], filling.world.tables["group_membership"]
    rng, sheet = filling.rng("attendances"), filling.sheet("attendance")
    rsvps, notes = filling.sheet("group_rsvp"), filling.sheet("group_event_note")
    for event in events.rows.values():
        starts = to_seconds(events.value(event, "starts_at")) or 0
        group = events.reference(event, "group")
        if events.value(event, "canceled") or not isinstance(group, int):
            continue
        below = [members.rows[number] for number in members.back["group"].get(group, ())]
        who = [(members.reference(row, "person"), members.value(row, "role")) for row in below]
        if starts > filling.now:
            for person, _ in who:
                answer = pick(rng, ("yes", "yes", "no", "maybe", "no_response"))
                rsvps.add({"event": event.id, "group": group, "person": person}, {"response": answer})
            continue
        for person, role in who:
            sheet.add({"event": event.id, "person": person}, {"attended": rng.random() < 0.7, "role": role})
        known = {person for person, _ in who}
        for _ in range(int(events.value(event, "visitors_count") or 0)):
            visitor = some(rng, filling.people)
            if visitor is not None and visitor not in known:
                known.add(visitor)
                sheet.add({"event": event.id, "person": visitor}, {"attended": True, "role": "visitor"})
        if rng.random() < 0.1:
            notes.add({"event": event.id, "annotatable": event.id}, {"body": "We prayed for Ruth."})
