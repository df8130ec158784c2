"""Records missing at the source: the evidence, the limits on deletions, and the holds that wait for a person."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from openfaith_sync.domain.defaults import DELETION_COUNT, DELETION_SHARE
from openfaith_sync.domain.ids import EntityId, ExternalId, SyncKey
from openfaith_sync.domain.passes.listing import Within
from openfaith_sync.domain.passes.passes import PassId

READS_A_PASS = 500
"""The most candidates that one pass reads by id: 100 s of the whole budget of a Planning Center token.
The others wait for the next pass."""


@dataclass(frozen=True, slots=True)
class DeletionLimits:
    """How much of an entity may be deleted at once without a person's approval."""

    count: int = DELETION_COUNT
    share: float = DELETION_SHARE

    def are_exceeded(self, missing: int, live: int) -> bool:
        """Return whether both deletion limits are exceeded: the number and the share."""
        return missing > self.count and missing > self.share * live


@dataclass(frozen=True, slots=True)
class Window:
    """A period over which deletions add up, and how much of an org's limits it allows."""

    days: int
    times_count: int
    times_share: float
    covers_nested: bool = True

    def limits_of(self, limits: DeletionLimits) -> DeletionLimits:
        """Return how much may be deleted in this window without a person's approval."""
        return DeletionLimits(limits.count * self.times_count, limits.share * self.times_share)


# The day catches a burst. The longer windows catch what a day never shows: ten every night. Records that
# only exist below a parent come and go with their parents' lists, so a whole year of them says nothing.
WINDOWS = (Window(1, 1, 1), Window(30, 3, 1), Window(365, 9, 2.5, covers_nested=False))


@dataclass(frozen=True, slots=True)
class ComparedPart:
    """The part of the stored records that a comparison covers."""

    column: str
    """The column with the time that decides: as stored, whatever the source has by now."""
    within: Within


class HoldStatus(StrEnum):
    """The status of a safety stop."""

    OPEN = "open"
    APPROVED = "approved"
    """Up to the approved number is deleted when the sync runs again."""
    REJECTED = "rejected"
    """The rows stay; a later reconciliation may stop again."""
    SETTLED = "settled"
    """Closed: the records were deleted as approved, came back, or another hold replaced it."""


class HoldKind(StrEnum):
    """The kind of decision that waits for a person."""

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
    """The last pass that stopped."""
    missing: int
    """The number of records that wait: missing at the source, or older there."""
    live: int
    """The number of live records at the time."""
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
    """``None`` where only a dead letter is stored."""
    times_missed: int
    """Complete listings in a row that lacked it; for an older version, the agreements on it so far."""
    first_missed_at: datetime
    name: str | None = None
    """A person's or a household's name; loaded only on request."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that a complete listing lacked and that is not proven gone yet."""

    external_id: ExternalId
    times_missed: int
    """Complete listings in a row that lacked it."""
    parent_id: ExternalId | None = None
    """The parent below which it is read, where it is nested."""
    is_explained: bool = False
    """Whether it was deleted with its parent; see ``DeletionCheck``."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """The candidates that can be read by their ids and are not proven gone."""

    unread: int
    """Never read yet: the budget of one pass did not suffice."""
    refused: int
    """The source refused to show them."""
    total: int
    """These, and those that were alive after all."""


@dataclass(frozen=True, slots=True)
class DeletionCheck:
    """The missing and live records of an entity, the limits, and a person's decision."""

    missing: int
    live: int
    limits: DeletionLimits
    hold: Hold | None = None
    """The open or approved hold."""
    explained: int = 0
    """Of the missing ones, those that a parent took with it: it is a tombstone here, by evidence of its own, or a
    person approved that it goes."""
    losses: tuple[int, ...] = (0,) * len(WINDOWS)
    """Records deleted in each window, by any cause, that neither a parent nor a person explains."""
    is_nested: bool = False

    @property
    def unexplained(self) -> int:
        """Return the missing records that count toward the limits."""
        return self.missing - self.explained

    @property
    def exceeded(self) -> int | None:
        """Return the index of the first of ``WINDOWS`` whose limits are exceeded."""
        if not self.unexplained:
            return None
        for index, window in enumerate(WINDOWS):
            gone = self.unexplained + self.losses[index]
            is_covered = window.covers_nested or not self.is_nested
            if is_covered and window.limits_of(self.limits).are_exceeded(gone, self.live + self.losses[index]):
                return index
        return None

    @property
    def is_over(self) -> bool:
        """Return whether any window's limits are exceeded."""
        return self.exceeded is not None

    def describe(self, entity: str) -> str:
        """Describe for a person what is missing and which limits are exceeded."""
        index = self.exceeded or 0
        window, lost = WINDOWS[index], self.losses[index]
        limits = window.limits_of(self.limits)
        share = self.unexplained / self.live if self.live else 1.0
        span = "24 hours" if window.days == 1 else f"{window.days} days"
        before = f", and {lost:,} were deleted in the last {span}" if lost else ""
        reason = (
            f"{self.unexplained:,} of {self.live:,} records of {entity} ({share:.1%}) are missing "
            f"at the source{before}; "
            f"more than {limits.count:,} and more than {limits.share:.0%} in {span} "
            f"are not deleted without approval"
        )
        ceiling = self.hold.approved_up_to if self.hold else None
        return reason if ceiling is None else f"{reason} ({ceiling:,} were approved)"

    @property
    def is_approved(self) -> bool:
        """Return whether a person approved at least this many deletions."""
        ceiling = self.hold.approved_up_to if self.hold and self.hold.status is HoldStatus.APPROVED else None
        return ceiling is not None and self.unexplained <= ceiling
