"""The times at which an org's work is due: its quarters of an hour, and its nights.

Orgs are spread by a hash of their names, and the entities of one org by their positions, so that neither all orgs
nor all of an org's hourly entities are due at once.
"""

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openfaith_sync.domain.ids import OrgId

NIGHT_BEGINS, NIGHT_LASTS = time(1), timedelta(hours=4)
"""In the org's own time zone, when nobody works on its records."""

SLOT = timedelta(minutes=15)
"""What is due less often than this is due together with what is due as often."""
DAY = timedelta(days=1)

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def next_slot(org: OrgId, position: int, every: timedelta, time_zone: str, after: datetime) -> datetime:
    """Return when an entity at this position is next due: at a quarter of an hour of the org's, or in a night."""
    if every >= DAY:
        night = next_night(org, time_zone, after)
        waits = _nights_until(org, position, every, night_of(night, time_zone))
        return next_night(org, time_zone, night + (waits - 1) * DAY + DAY / 2) if waits else night
    slots = max(1, every // SLOT)
    offset = min(every, SLOT) * share_of(org) + every / slots * ((position + _turn(org)) % slots)
    return after + every - (after - _EPOCH - offset) % every


def is_nights_turn(org: OrgId, position: int, every: timedelta | None, tonight: date, last: date | None) -> bool:
    """Return whether what happens at this interval is due in a night; a night that was missed is made up for."""
    if every is None:
        return False
    nights = _nights(every)
    turn = tonight - (nights - _nights_until(org, position, every, tonight)) % nights * DAY
    return turn == tonight if last is None else last < turn


def next_night(org: OrgId, time_zone: str, after: datetime) -> datetime:
    """Return the org's own minute of its next night."""
    zone = find_zone(time_zone)
    local = after.astimezone(zone)
    begins = datetime.combine(local.date(), NIGHT_BEGINS) + NIGHT_LASTS * share_of(org)
    # Added to the wall clock, then placed in the zone: a night with a changed clock is still a night.
    tonight, tomorrow = (begins + timedelta(days=days) for days in (0, 1))
    found = tonight.replace(tzinfo=zone).astimezone(after.tzinfo)
    return found if found > after else tomorrow.replace(tzinfo=zone).astimezone(after.tzinfo)


def night_of(moment: datetime, time_zone: str) -> date:
    """Return the date of the night that a moment belongs to, in the org's time zone."""
    return moment.astimezone(find_zone(time_zone)).date()


def share_of(org: OrgId) -> float:
    """Return a number in [0, 1) derived from the org, which spreads orgs evenly over a span."""
    return _hash(org) / 2**32


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone; UTC for a name unknown to this machine."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _nights_until(org: OrgId, position: int, every: timedelta, tonight: date) -> int:
    """Return in how many nights it is the turn of what happens at this interval; 0 for tonight."""
    return -(tonight.toordinal() + position + _turn(org)) % _nights(every)


def _nights(every: timedelta) -> int:
    return max(1, round(every / DAY))


def _turn(org: OrgId) -> int:
    """Return a number derived from the org that says nothing of its share."""
    return _hash(org) % 9973


def _hash(org: OrgId) -> int:
    return int.from_bytes(hashlib.blake2b(org.encode(), digest_size=4).digest())
