"""Due work: what is to be done for an org, and the rules for its next time.

All times are the database's; nothing below reads a clock.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openfaith_sync.domain.connections.refusals import NOT_AVAILABLE, REFUSED, Refusal
from openfaith_sync.domain.defaults import DELTA_EVERY, LONG_LISTING_EVERY, SUBSCRIPTIONS_EVERY
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId

ALL = EntityName("*")
"""In place of an entity: all of an adapter's."""

NIGHT_BEGINS, NIGHT_LASTS = time(1), timedelta(hours=4)
"""In the org's own time zone, when nobody works on its records."""

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
    """The org's own cadence; ``None`` for the usual one."""
    is_long: bool
    """It can only be listed whole, in more than one page."""
    is_complete: bool
    """The entity was completely synced since the run was asked for."""
    is_held: bool
    """A safety stop waits for a person."""


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
    match work.key.mode:
        case WorkMode.FULL:
            return now + work.every if work.every else None
        case WorkMode.DELTA:
            return now + (work.every or (LONG_LISTING_EVERY if work.is_long else DELTA_EVERY))
        case WorkMode.RECONCILIATION:
            # A day less, since the following night is meant.
            later = now + max(work.every - timedelta(days=1), timedelta()) if work.every else now
            return next_night(work.key.org, work.time_zone, later)
        case WorkMode.SUBSCRIPTIONS:
            return now + (work.every or SUBSCRIPTIONS_EVERY)
        case WorkMode.RECORDS:
            return now


def first_due(mode: WorkMode, org: OrgId, time_zone: str, now: datetime, *, is_synced: bool) -> datetime | None:
    """Return when work of a connection that is new to the plan is due; ``None`` if only a request makes it due.

    An org whose entities were all synced before resumes from its watermarks, without a full sync.
    """
    if mode is WorkMode.RECONCILIATION:
        return next_night(org, time_zone, now)
    return None if mode is WorkMode.FULL and is_synced else now


def next_night(org: OrgId, time_zone: str, after: datetime) -> datetime:
    """Return the org's own minute of its next night."""
    zone = find_zone(time_zone)
    local = after.astimezone(zone)
    begins = datetime.combine(local.date(), NIGHT_BEGINS) + NIGHT_LASTS * share_of(org)
    # Added to the wall clock, then placed in the zone: a night with a changed clock is still a night.
    tonight, tomorrow = (begins + timedelta(days=days) for days in (0, 1))
    found = tonight.replace(tzinfo=zone).astimezone(after.tzinfo)
    return found if found > after else tomorrow.replace(tzinfo=zone).astimezone(after.tzinfo)


def share_of(org: OrgId) -> float:
    """Return a number in [0, 1) derived from the org, which spreads orgs evenly over a span."""
    return int.from_bytes(hashlib.blake2b(org.encode(), digest_size=4).digest()) / 2**32


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone; UTC for a name unknown to this machine."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def make_run_key(org: OrgId, adapter: AdapterName, mode: WorkMode, what: str, epoch: str, attempt: int) -> str:
    """Return a run key made of what is requested (law 11): the same request has the same key."""
    return "/".join([org, adapter, mode, *([what] if what else []), epoch, *([str(attempt)] if attempt else [])])
