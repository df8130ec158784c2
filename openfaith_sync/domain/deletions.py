"""What is missing at the source: who may say so, how much may go, and what waits for a person."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from openfaith_sync.domain.ids import EntityId, ExternalId, SyncKey
from openfaith_sync.domain.passes import PassId


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of an entity may vanish at once without a person."""

    count: int = 10
    share: float = 0.1

    def are_exceeded(self, missing: int, live: int) -> bool:
        """Whether so many of so many are too many: by number and by share."""
        return missing > self.count and missing > self.share * live


class HoldStatus(StrEnum):
    """What became of a safety stop."""

    OPEN = "open"
    APPROVED = "approved"
    """So many may go when the check is run again, and no more."""
    REJECTED = "rejected"
    """These rows stay; a later reconciliation may stop again."""
    SETTLED = "settled"
    """Over: the records went as approved, came back, or another hold took its place."""


class HoldKind(StrEnum):
    """What waits for a person."""

    DELETIONS = "deletions"
    """Records that are missing at the source."""
    OLDER = "older"
    """Records that the source shows in an older version than the one held."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A safety stop: deletions or older versions of one entity that wait for a person."""

    hold_id: int
    key: SyncKey
    pass_id: PassId
    """The pass that stopped last."""
    missing: int
    """Records that wait: missing at the source, or older there."""
    live: int
    """Records that we held then."""
    reason: str
    status: HoldStatus
    approved_up_to: int | None
    created_at: datetime
    decided_at: datetime | None
    kind: HoldKind = HoldKind.DELETIONS


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """A record that waits behind a hold."""

    external_id: ExternalId
    entity_id: EntityId | None
    """``None`` where only a dead letter is held."""
    times_missed: int
    """Complete listings in a row that lacked it; for an older version, the agreements on it so far."""
    first_missed_at: datetime
    name: str | None = None
    """A person's, a household's …; given only when asked for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that a complete listing lacked and that is not proven gone yet."""

    external_id: ExternalId
    times_missed: int
    """Complete listings in a row that lacked it."""
    parent_id: ExternalId | None = None
    """The parent below which it is read, where it is nested."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """How many are missing of how many, how many may be, and what a person said."""

    missing: int
    live: int
    limits: Limits
    hold: Hold | None = None
    """The one that is open or approved."""
    explained: int = 0
    """Of the missing ones, those whose parent is a tombstone here: it took them with it, by evidence of its own."""

    @property
    def unexplained(self) -> int:
        """Those that are weighed."""
        return self.missing - self.explained

    @property
    def is_over(self) -> bool:
        """Whether more is missing than may vanish without a person."""
        return self.limits.are_exceeded(self.unexplained, self.live)

    @property
    def is_approved(self) -> bool:
        """Whether a person allowed at least so many to go."""
        ceiling = self.hold.approved_up_to if self.hold and self.hold.status is HoldStatus.APPROVED else None
        return ceiling is not None and self.unexplained <= ceiling
