"""Decide how many records may be set aside before a sync counts as failed."""

from dataclasses import dataclass

from openfaith_sync.domain.defaults import REJECTED_SHARE
from openfaith_sync.domain.errors import MostlyRejected
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes.passes import Counts

FEW = 10
"""So few rejected records never fail a sync by their share: a small church may have one bad record in three."""

TOO_FEW_TO_BE_ALL = 3
"""With fewer records than this, all may be bad by chance."""


@dataclass(frozen=True, slots=True)
class RejectedRecords:
    """The dead letters of an entity, and the share that the org allows."""

    waiting: int
    known: int
    """Live records and dead letters together, each source record once."""
    share: float = REJECTED_SHARE


def require_mostly_stored(key: SyncKey, counts: Counts, rejected: RejectedRecords) -> None:
    """Raise if a sync set aside most of what it read, or if too many dead letters are left.

    What was stored stays stored, and the dead letters keep the raw records. The second rule keeps an
    entity failing until its dead letters are resolved, although later syncs read few of them again.

    Raises:
        MostlyRejected: All records were set aside, or a larger share of them than the org allows.
    """
    # A delta that reads three records, all of them bad, says nothing about the thousands of others.
    is_whole = counts.records >= rejected.known
    if _are_too_many(counts.dead, counts.records, rejected.share, is_whole=is_whole):
        raise _failure(key, counts.dead, counts.records, "read now", rejected.share)
    if _are_too_many(rejected.waiting, rejected.known, rejected.share, is_whole=True):
        raise _failure(key, rejected.waiting, rejected.known, "known", rejected.share)


def _are_too_many(dead: int, records: int, share: float, *, is_whole: bool) -> bool:
    is_all = is_whole and dead == records >= TOO_FEW_TO_BE_ALL
    return is_all or (dead > FEW and dead > share * records)


def _failure(key: SyncKey, dead: int, records: int, which: str, share: float) -> MostlyRejected:
    return MostlyRejected(
        f"{dead:,} of the {records:,} records of {key} that are {which} were set aside as dead letters "
        f"({dead / records:.0%}; {key.org} allows {share:.0%}); the others are stored. "
        f"The reasons: openfaith-sync dead-letters list {key.org} --entity {key.entity}; "
        f"to allow more: openfaith-sync org set {key.org} --rejected-share"
    )
