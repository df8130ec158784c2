"""The manifest keys that say how often an entity is synced, and what each kind of sync covers."""

from datetime import timedelta
from typing import Annotated

from pydantic import StringConstraints

from openfaith_sync.domain.manifest.model import ManifestModel, SnakeCase

NEVER = "never"
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

Interval = Annotated[str, StringConstraints(pattern=r"^(never|[1-9]\d{0,3}[mhd])$")]
"""How often: `15m`, `1h`, `7d` or `never`."""


class TimeWindow(ManifestModel):
    """A part of a listing: the records whose attribute lies within some days of now."""

    attribute: SnakeCase
    """One of `filters`."""
    from_days: int | None = None
    """The beginning, in days from now; negative in the past. Without it there is none."""
    to_days: int | None = None
    """The end, in days from now. Without it there is none."""


class Cadence(ManifestModel):
    """How often an entity is synced. An org can choose other intervals."""

    delta: Interval = "15m"
    """How often the source is asked for changes; an entity whose changes cannot be asked for is listed."""
    delta_window: TimeWindow | None = None
    """What such a listing covers, if not everything."""
    reconcile: Interval = "1d"
    """How often stored records are compared with the source's listing, at night."""
    reconcile_window: TimeWindow | None = None
    """What this comparison covers, if not everything; records outside it are compared by `full` only."""
    full: Interval = NEVER
    """How often everything is compared, where `reconcile_window` leaves records out."""


def parse_interval(text: str) -> timedelta | None:
    """Return an interval as a time span; ``None`` for never."""
    if text == NEVER:
        return None
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
