"""What of an org's giving does not add up, and how a treasurer is told of it: by how many, never by amounts."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity


class GivingDifference(StrEnum):
    """A sum that differs from what the source states beside it."""

    PARTS = "parts"
    """A gift whose amount is not the sum of its parts for funds."""
    CURRENCY = "currency"
    """A gift in another currency than one of its parts."""
    REFUND = "refund"
    """A refund of more than its gift."""
    REFUND_PARTS = "refund_parts"
    """A refund whose amount is not the sum of its parts."""
    BATCH = "batch"
    """A committed batch whose total is not the sum of its gifts."""
    MONTH = "month"
    """A month for which the source counts another number of gifts than are stored."""


SAID: Mapping[GivingDifference, tuple[str, str]] = {
    GivingDifference.PARTS: ("gift is not the sum of its parts", "gifts are not the sums of their parts"),
    GivingDifference.CURRENCY: (
        "gift has another currency than its parts",
        "gifts have other currencies than their parts",
    ),
    GivingDifference.REFUND: ("refund is larger than its gift", "refunds are larger than their gifts"),
    GivingDifference.REFUND_PARTS: ("refund is not the sum of its parts", "refunds are not the sums of their parts"),
    GivingDifference.BATCH: (
        "committed batch is not the sum of its gifts",
        "committed batches are not the sums of their gifts",
    ),
    GivingDifference.MONTH: (
        "month has another number of gifts than the source counts",
        "months have other numbers of gifts than the source counts",
    ),
}
"""What is said of one, and of several."""


def describe_differences(found: Mapping[GivingDifference, int]) -> str:
    """Return what does not add up, in one line."""
    return "; ".join(f"{found[kind]:,} {said[found[kind] != 1]}" for kind, said in SAID.items() if found.get(kind, 0))


def giving_problem(key: SyncKey, found: Mapping[GivingDifference, int], since: datetime) -> Problem:
    """Return the problem of an org whose giving does not add up; the key names the entity of its gifts."""
    return Problem(
        kind=ProblemKind.GIVING_TOTALS,
        adapter=key.adapter,
        severity=Severity.HEALS,
        since=since,
        detail=f"giving does not add up: {describe_differences(found)}",
        command=f"openfaith-sync giving check {key.org} --adapter {key.adapter}",
        org=key.org,
        entities=(key.entity,),
        count=sum(found.values()),
    )
