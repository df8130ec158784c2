"""Decide how far a pass moves the watermark, and how far a delta looks back below it (law 3).

A version is the source's claim: a date in 2031 must not hide every change until then, and a date
in the year 1 leaves no room below it.
"""

from datetime import UTC, datetime, timedelta

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import Page, version_keys
from openfaith_sync.domain.passes.walk_place import version_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""No church management system is older; an earlier date is a default that was never set."""

_BEGINNING, _END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def bound_watermark(newest: datetime | None, answered_at: datetime | None, overlap: timedelta) -> datetime | None:
    """Return the newest version that a pass saw, but never later than the source's clock less the overlap."""
    if newest is None or answered_at is None:
        return newest
    return min(newest, look_back(answered_at, overlap))


def look_back(moment: datetime, overlap: timedelta) -> datetime:
    """Return the time that lies the overlap before another; the earliest time where there is no room."""
    return moment - overlap if moment - _BEGINNING > overlap else _BEGINNING


def delta_start(watermark: datetime | None, overlap: timedelta) -> str | None:
    """Return the key of the first version that a delta reads; ``None`` for the beginning of the listing."""
    return version_key(look_back(watermark, overlap)) if watermark else None


def is_ahead(watermark: datetime | None, answered_at: datetime | None) -> bool:
    """Return whether a watermark is later than the source's clock, which would hide changes until then."""
    return watermark is not None and answered_at is not None and watermark > answered_at


def believed_until(answered_at: datetime | None, overlap: timedelta) -> datetime | None:
    """Return the latest version that a source can have assigned when it responded; its clocks may differ slightly."""
    return None if answered_at is None or _END - answered_at < overlap else answered_at + overlap


def is_plausible(version: datetime, answered_at: datetime, overlap: timedelta) -> bool:
    """Return whether a source that responded at this time can have assigned this version."""
    until = believed_until(answered_at, overlap)
    return version >= EPOCH and (until is None or version <= until)


def newest_believed(page: Page, entity: Entity) -> datetime | None:
    """Return the newest version on a page that the source can have assigned when it responded."""
    keys = version_keys(page.records, str(entity.delta.attribute))
    until = believed_until(page.answered_at, entity.delta.overlap)
    versions = (datetime.fromisoformat(key) for key in keys if key)
    return max((version for version in versions if until is None or version <= until), default=None)
