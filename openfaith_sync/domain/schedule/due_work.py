"""Due work: what is to be done for an org, and the rules for its next time.

All times are the database's; nothing below reads a clock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from openfaith_sync.domain.connections.refusals import NOT_AVAILABLE, REFUSED, Refusal
from openfaith_sync.domain.defaults import DELTA_EVERY, LONG_LISTING_EVERY, SUBSCRIPTIONS_EVERY
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.schedule.slots import next_night, next_slot

ALL = EntityName("*")
"""In place of an entity: all of an adapter's."""

NOT_CHECKED = "only compared"
"""The reason of a delta row that is never due: its cadence has no checks for changes."""

BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
"""How long a run that failed or was lost is waited for, longer each time in a row."""


class WorkMode(StrEnum):
    """The kind of a due-work row."""

    FULL = "full"
    DELTA = "delta"
    RECONCILIATION = "reconciliation"
    RECORDS = "records"
    """The inbox itself says what is due; the row says whether a run is at it, and when one may be tried again."""
    SUBSCRIPTIONS = "subscriptions"


WHAT_REPEATS = (WorkMode.DELTA, WorkMode.RECORDS, WorkMode.SUBSCRIPTIONS)
"""What is due at once for an org that was away."""


@dataclass(frozen=True, slots=True)
class WorkKey:
    """The key of one due-work row."""

    org: OrgId
    adapter: AdapterName
    entity: EntityName
    mode: WorkMode


@dataclass(frozen=True, slots=True)
class Work:
    """One due-work row, with what its next time depends on."""

    key: WorkKey
    not_before: datetime | None
    """``None`` until somebody asks for it."""
    reason: str
    run_key: str | None
    """What a run was asked for with; ``None`` when none is at it."""
    asked_at: datetime | None
    attempts: int
    """Runs in a row that failed or were lost."""
    time_zone: str
    every: timedelta | None
    """How often an entity is checked for changes, ``None`` for never; of other work the org's own interval."""
    is_long: bool
    """It can only be listed whole, in more than one page, and the org chose no interval for it."""
    is_complete: bool
    """The entity was completely synced since the run was asked for."""
    is_held: bool
    """A safety stop waits for a person."""
    position: int = 0
    """What spreads entities with the same interval (``cadences.list_positions``)."""


@dataclass(frozen=True, slots=True)
class NewWork:
    """One due-work row that a connection does not have yet."""

    key: WorkKey
    every: timedelta | None
    position: int = 0
    is_of_known_org: bool = True
    """Whether the org has other rows already: then the entity was added, and has no data yet."""

    def first_due(self, time_zone: str, now: datetime, *, is_synced: bool) -> datetime | None:
        """Return when it is due first; ``None`` if only a request makes it due.

        An org whose entities were all synced before resumes from its watermarks, without a full sync. After a full
        sync, what is checked less often than most waits for its usual time.
        """
        org = self.key.org
        match self.key.mode:
            case WorkMode.RECONCILIATION:
                return next_night(org, time_zone, now)
            case WorkMode.FULL:
                return None if is_synced else now
            case WorkMode.DELTA if not (is_synced or self.is_of_known_org):
                is_soon = self.every is not None and self.every <= DELTA_EVERY
                return now if is_soon else next_check(org, self.position, self.every, time_zone, now)
            case _:
                return now


@dataclass(frozen=True, slots=True)
class WorkChange:
    """A change to a row; ignored when another process changed the row first."""

    work: Work
    not_before: datetime | None
    reason: str
    attempts: int = 0

    @classmethod
    def done(cls, work: Work, now: datetime, reason: str) -> "WorkChange":
        """Return the row rescheduled at its usual time."""
        return cls(work, next_time(work, now), reason)

    @classmethod
    def refused(cls, work: Work, now: datetime, refusal: Refusal) -> "WorkChange":
        """Return the row rescheduled for the refused entity's next retry, if that is sooner than usual.

        What the org chose not to sync is due again when somebody asks for it.
        """
        if refusal.is_chosen:
            return cls(work, None, refusal.title)
        usual, again = next_time(work, now), refusal.ask_again_at
        is_sooner = again is not None and usual is not None and now < again < usual
        return cls(work, again if is_sooner else usual, f"{refusal.title}: {refusal}")

    @classmethod
    def failed(cls, work: Work, now: datetime, reason: str, retry_after: timedelta | None = None) -> "WorkChange":
        """Return the row rescheduled with a growing delay; held work waits for the night, for a person to decide."""
        if work.is_held:
            return cls(work, next_night(work.key.org, work.time_zone, now), f"{reason}; a safety stop waits")
        wait = BACKOFF[min(work.attempts, len(BACKOFF) - 1)]
        return cls(work, now + max(wait, retry_after or wait), reason, work.attempts + 1)


def is_refused(reason: str) -> bool:
    """Return whether work was rescheduled without asking the source, by ``WorkChange.refused``."""
    return reason.startswith((f"{REFUSED}: ", f"{NOT_AVAILABLE}: "))


def next_time(work: Work, now: datetime) -> datetime | None:
    """Return when finished work is due again; ``None`` for work that only a request makes due."""
    org = work.key.org
    match work.key.mode:
        case WorkMode.FULL:
            return now + work.every if work.every else None
        case WorkMode.DELTA:
            every = max(work.every, LONG_LISTING_EVERY) if work.every and work.is_long else work.every
            return next_check(org, work.position, every, work.time_zone, now)
        case WorkMode.RECONCILIATION:
            return next_night(org, work.time_zone, now)
        case WorkMode.SUBSCRIPTIONS:
            return now + (work.every or SUBSCRIPTIONS_EVERY)
        case WorkMode.RECORDS:
            return now


def next_check(org: OrgId, position: int, every: timedelta | None, time_zone: str, now: datetime) -> datetime | None:
    """Return when an entity that was checked for changes is checked again; ``None`` for never."""
    return None if every is None else next_slot(org, position, every, time_zone, now)


def make_run_key(org: OrgId, adapter: AdapterName, mode: WorkMode, what: str, epoch: str, attempt: int) -> str:
    """Return a run key made of what is requested (law 11): the same request has the same key."""
    return "/".join([org, adapter, mode, *([what] if what else []), epoch, *([str(attempt)] if attempt else [])])
