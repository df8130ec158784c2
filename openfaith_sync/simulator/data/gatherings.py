"""Realistic campuses, groups and events."""

import random
from collections.abc import Iterator
from typing import Any

from openfaith_sync.simulator.data import word_lists as words
from openfaith_sync.simulator.data.record_makers import NewRecord, TimestampSequence, id_sequence, pick
from openfaith_sync.simulator.data.tables import Reference
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS, DAY_SECONDS, to_text
from openfaith_sync.simulator.data.unmodelled_resources import organization_id

_PEOPLE_A_GROUP = 40
_HEADER = "https://groups-production.s3.amazonaws.com/uploads/group/header_image/defaults"


def make_campuses(seed: int) -> Iterator[NewRecord]:
    """Yield the three campuses; one of them has no address."""
    rng = random.Random(f"{seed}:campuses")  # noqa: S311  invented places need no secrecy
    times, ids = TimestampSequence(rng, len(words.CAMPUSES)), id_sequence(seed, "campus", len(words.CAMPUSES))
    for name, city, state, zip_code, latitude, longitude, time_zone in words.CAMPUSES:
        attributes = {
            **times.draw(),
            "avatar_url": None,
            "church_center_enabled": True,
            "city": city,
            "contact_email_address": "office@church.example.org",
            "country": "US" if city else None,
            "date_format": None,
            "description": words.LOREM if city else None,
            "geolocation_set_manually": False,
            "latitude": latitude,
            "longitude": longitude,
            "name": name,
            "phone_number": "+15125550100" if city else None,
            "state": state,
            "street": "1 Church Rd" if city else None,
            "time_zone": time_zone,
            "time_zone_raw": time_zone,
            "twenty_four_hour_time": None,
            "website": "https://church.example.org/",
            "zip": zip_code,
        }
        yield NewRecord("campus", next(ids), attributes, {"organization": organization_id(seed)})


def make_groups(people: int, seed: int) -> Iterator[NewRecord]:
    """Yield one group for every forty people, and a few events for each group."""
    rng = random.Random(f"{seed}:{people}:groups")  # noqa: S311  invented groups need no secrecy
    count = -(-people // _PEOPLE_A_GROUP)
    group_ids, event_ids = id_sequence(seed, "group", count), id_sequence(seed, "event", 4 * count)
    times = TimestampSequence(rng, count)
    for place in range(count):
        group = _group(rng, place, next(group_ids), times.draw()["created_at"])
        yield group
        for _ in range(2 + int(rng.random() * 5)):
            yield _event(rng, next(event_ids), group)


def _group(rng: random.Random, place: int, number: int, created_at: str) -> NewRecord:
    name = f"{pick(rng, words.GROUP_NAMES)} {place + 1}"
    is_archived = rng.random() < 0.1  # noqa: PLR2004
    is_virtual = rng.random() < 0.2  # noqa: PLR2004
    text = words.LOREM * int(rng.random() * 6) or None
    attributes: dict[str, Any] = {
        "archived_at": to_text(BASE_SECONDS - int(rng.random() * 300) * DAY_SECONDS) if is_archived else None,
        "can_create_conversation": True,
        "can_create_conversation_reason_code": None,
        "chat_enabled": rng.random() < 0.5,  # noqa: PLR2004
        "contact_email": f"group{place + 1}@church.example.org" if rng.random() < 0.8 else None,  # noqa: PLR2004
        "created_at": created_at,
        "description": f"<div>{text}</div>" if text else None,
        "description_as_plain_text": text or "",
        "events_listed": True,
        "events_visibility": pick(rng, ("public", "members")),
        "header_image": {size: f"{_HEADER}/{size}_{place % 5}.png" for size in ("thumbnail", "medium", "original")},
        "leaders_can_search_people_database": True,
        "listed": rng.random() < 0.8,  # noqa: PLR2004
        "location_type_preference": "virtual" if is_virtual else "physical",
        "members_are_confidential": rng.random() < 0.1,  # noqa: PLR2004
        "memberships_count": int(rng.random() * 25),
        "name": name,
        "public_church_center_web_url": f"https://church.example.org/groups/{number}",
        "schedule": pick(rng, words.SCHEDULES),
        "tag_ids": [],
        "virtual_location_url": "https://meet.example.org/room" if is_virtual else None,
        "widget_status": {},
    }
    location = None if is_virtual else 700_000 + place % 40
    types: tuple[int | str, ...] = ("unique", 3_532_158, 3_532_159, 3_532_160)
    return NewRecord("group", number, attributes, {"group_type": pick(rng, types), "location": location})


def _event(rng: random.Random, number: int, group: NewRecord) -> NewRecord:
    starts = BASE_SECONDS + int((rng.random() - 0.7) * 400) * DAY_SECONDS + 68_400
    is_canceled = rng.random() < 0.05  # noqa: PLR2004
    attributes: dict[str, Any] = {
        "attendance_requests_enabled": True,
        "automated_reminder_enabled": True,
        "canceled": is_canceled,
        "canceled_at": to_text(starts - DAY_SECONDS) if is_canceled else None,
        "description": words.LOREM if rng.random() < 0.3 else None,  # noqa: PLR2004
        "ends_at": to_text(starts + 5400),
        "image": None,
        "location_type_preference": group.attributes["location_type_preference"],
        "multi_day": False,
        "name": pick(rng, words.EVENT_NAMES),
        "reminders_sent": starts < BASE_SECONDS,
        "reminders_sent_at": to_text(starts - DAY_SECONDS) if starts < BASE_SECONDS else None,
        "repeating": rng.random() < 0.6,  # noqa: PLR2004
        "starts_at": to_text(starts),
        "virtual_location_url": None,
        "visitors_count": int(rng.random() * 4),
    }
    links: dict[str, Reference] = {
        "group": group.id,
        "location": group.references["location"],
        "repeating_event": 900_000 + number % 999,
        # The source leaves this one unset on every event (docs/pco.md 5.4).
        "attendance_submitter": None,
    }
    return NewRecord("event", number, attributes, links)
