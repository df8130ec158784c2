"""A record that the source shows in an older version than ours."""

from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.ids import ExternalId


@dataclass(frozen=True, slots=True)
class OlderVersion:
    """One record as a complete listing showed it: older than ours, and not written to since."""

    external_id: ExternalId
    version: datetime
    """The version that the listing shows."""
    held_version: datetime
    """The newer version held here when the two were compared."""
    is_ripe: bool = False
    """Whether an earlier listing and an earlier single read agreed on this version, longer ago than the overlap."""
