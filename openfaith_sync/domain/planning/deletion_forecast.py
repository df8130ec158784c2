"""Predict the deletions of a pass as a range: what counts prove, and what they leave open.

The source's count says how many more records are stored than it has, and not how many of these new
records hide: ten that went and ten that came leave the count as it was. So new records are counted
apart, and where that cannot be done the range goes up to what the deletion limits let pass. Until the
night comes more may go: as many as in the worst of the last nights, and never none.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from openfaith_sync.domain.passes.deletions import READS_A_PASS, DeletionCheck
from openfaith_sync.domain.planning.entity_facts import EntityFacts
from openfaith_sync.domain.planning.ranges import NOTHING, Range


class SafetyStopForecast(StrEnum):
    """Whether a pass will hold its deletions for a person."""

    NO = "no"
    MAY = "may"
    WILL = "will"


@dataclass(frozen=True, slots=True)
class DeletionForecast:
    """The deletions of one pass of one entity."""

    missing: Range
    """Records that are stored here and missing at the source."""
    deletions: Range
    """Records that the pass marks deleted without asking a person."""
    is_counted: bool
    """Whether the source's count bounds the range; else it goes up to the deletion limits."""
    stop: SafetyStopForecast = SafetyStopForecast.NO


def predict_deletions(facts: EntityFacts, gone_parents: Range | None = None, *, is_readable: bool) -> DeletionForecast:
    """Return the deletions of a pass that compares everything.

    Args:
        facts: What is known of the entity.
        gone_parents: For a nested entity, how many of its parents are deleted with or before the pass.
        is_readable: Whether each missing record is confirmed by reading its id.
    """
    if facts.check is None or not facts.stored:
        return DeletionForecast(NOTHING, NOTHING, is_counted=True)
    explained = sum(facts.nested.lists[: gone_parents.most]) if gone_parents else 0
    missing = _count_missing(facts)
    is_counted = missing is not None
    allowed = count_allowed(facts.check, explained)
    if missing is None:
        missing = Range(facts.check.missing if not facts.nested.lists else 0, facts.stored)
    stop = SafetyStopForecast.NO
    deletions = missing.at_most(allowed)
    if missing.least > allowed:
        stop, deletions = SafetyStopForecast.WILL, NOTHING
    elif missing.most > allowed and is_counted:
        # All of them wait if they are too many.
        stop, deletions = SafetyStopForecast.MAY, Range(0, allowed)
    return DeletionForecast(missing, deletions.at_most(READS_A_PASS) if is_readable else deletions, is_counted, stop)


def count_allowed(check: DeletionCheck, explained: int = 0) -> int:
    """Return the largest number of missing records that are deleted without asking a person again."""
    least, most = 0, check.live
    while least < most:
        middle = (least + most + 1) // 2
        tried = replace(check, missing=middle, explained=min(explained, middle))
        least, most = (middle, most) if not tried.is_over or tried.is_approved else (least, middle - 1)
    return least


def _count_missing(facts: EntityFacts) -> Range | None:
    """Return how many stored records the source has no more; ``None`` where its count does not say."""
    source = facts.source
    if source is None or source.counted is None or source.new is None:
        return None
    surplus = facts.stored - source.counted
    # Of a record that was set aside nobody knows whether it is among those counted. A merged one is removed as such,
    # and one whose deletion was announced goes when the inbox is read.
    least = surplus + source.new.least - facts.new_merges - facts.announced
    most = surplus + source.new.most + facts.set_aside
    until_then = max(1, facts.worst_night)
    return Range(max(0, least), min(max(0, most) + until_then, facts.stored))
