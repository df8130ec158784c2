"""Registrations: signups, who signed up, and what they chose."""

from typing import Any

from openfaith_sync.simulator.data.filling import Filling, some
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.timestamps import DAY_SECONDS, to_text

_SIGNUPS, _ATTENDEES = 60, 58
_NAMES = ("Camp", "Retreat", "Conference", "Potluck", "Mission Trip", "Class")


def make_registrations(filling: Filling) -> None:
    """Make the signups of a church: one in five is open, one in six archived."""
    if not filling.has("signup") or not filling.people:
        return
    rng = filling.rng("registrations")
    categories = filling.names("registration_category", "Youth", "Adults", "Everybody", "Volunteers", "Missions")
    table = filling.world.tables.get("campus")
    campuses = list(table.rows) if table else []
    count = filling.count(_SIGNUPS, 6)
    for place in range(count):
        is_open, is_archived = place % 5 == 4, place % 6 == 0
        at = filling.now - (count - place) * 900 // count * DAY_SECONDS
        closes = (
            filling.now + 20 * DAY_SECONDS if is_open and not is_archived else min(filling.now, at + 30 * DAY_SECONDS)
        )
        values = {
            "archived": is_archived,
            "close_at": to_text(closes),
            "closed": not is_open or is_archived,
            "description": "<p>Bring a friend.</p>",
            "name": f"{_NAMES[place % len(_NAMES)]} {place + 1}",
            "open": is_open and not is_archived,
            "open_at": to_text(at),
        }
        links: dict[str, Any] = {
            "categories": [pick(rng, categories)],
            "campuses": [pick(rng, campuses)] if campuses else [],
        }
        signup = filling.sheet("signup").add(links, values, at)
        _make_surroundings(filling, signup, closes, has_location=rng.random() < 0.8)
        _make_attendees(filling, signup, at, closes)


def _make_surroundings(filling: Filling, signup: int, closes: int, *, has_location: bool) -> None:
    for day in (7, 8):
        starts = closes + day * DAY_SECONDS
        span = {"all_day": False, "starts_at": to_text(starts), "ends_at": to_text(starts + 10_800)}
        filling.sheet("signup_time").add({"signup": signup}, span)
    if has_location:
        where = {"name": "Camp Oak", "location_type": "address", "latitude": "30.27", "longitude": "-97.74"}
        full = {"full_formatted_address": "1 Oak Avenue\nAustin, TX 78701", "address_data": {"city": "Austin"}}
        filling.sheet("signup_location").add({"signup": signup}, where | full)


def _make_attendees(filling: Filling, signup: int, at: int, closes: int) -> None:
    rng = filling.rng(f"attendees {signup}")
    prices = (("Adult", 5000), ("Child", 2500), ("Free", 0))
    types = [
        filling.sheet("selection_type").add(
            {"signup": signup},
            {
                "name": name,
                "price_cents": cents,
                "price_currency": "USD",
                "price_currency_symbol": "$",
                "price_formatted": f"${cents / 100:.2f}",
                "publicly_available": True,
            },
            at,
        )
        for name, cents in prices
    ]
    count = min(len(filling.people), int(2 * rng.random() * filling.each(_ATTENDEES, 3)))
    registration, left = 0, 0
    for person in rng.sample(filling.people, count):
        signed = at + int(rng.random() * max(1, min(closes, filling.now) - at))
        if not left:
            links: dict[str, Any] = {"signup": signup, "created_by": some(rng, filling.adults)}
            registration, left = filling.sheet("registration").add(links, at=signed), 1 + int(rng.random() * 3)
        left -= 1
        draw = rng.random()
        is_canceled, is_waiting = draw < 0.06, 0.06 <= draw < 0.1
        values = {
            "active": not is_canceled and not is_waiting,
            "canceled": is_canceled,
            "complete": True,
            "waitlisted": is_waiting,
            "waitlisted_at": to_text(signed) if is_waiting else None,
        }
        chosen: dict[str, Any] = {"registration": registration, "selection_type": pick(rng, types)}
        filling.sheet("attendee").add({"signup": signup, "person": person, **chosen}, values, signed)
