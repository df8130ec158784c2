"""Compare the number of records of each month with the source's: a gift under a wrong date is found by no total."""

from datetime import datetime
from itertools import pairwise

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Within
from openfaith_sync.engine.passes.page_reading import ReadPage
from openfaith_sync.engine.ports.evidence import CountedMonths


def compare_months(entity: Entity, read: ReadPage, evidence: CountedMonths, set_aside: int) -> int:
    """Store for how many complete months the source counts other records than are stored, and return the requests.

    The month that has not ended is left out: gifts arrive in it while they are counted. So is the whole comparison
    where the source states neither counts nor its time. Dead letters have no month that we could trust, so that as
    many may be missing.
    """
    counts = entity.monthly_counts
    if counts is None or entity.total_count != "exact":
        return 0
    page = read(ListingQuery(entity.name, size=1, is_sparse=True))
    if page.answered_at is None:
        return page.requests
    requests, bounds = page.requests, month_bounds(page.answered_at, counts.months)
    stored = evidence.count_between(entity.attributes[counts.attribute].to or counts.attribute, bounds)
    differing = 0
    for (begin, end), number in zip(pairwise(bounds), stored, strict=True):
        within = Within(counts.attribute, begin, end)
        page = read(ListingQuery(entity.name, size=1, is_sparse=True, within=within))
        requests += page.requests
        if page.total_count is not None and not number <= page.total_count <= number + set_aside:
            differing += 1
    evidence.note_months(differing)
    return requests


def month_bounds(now: datetime, months: int) -> list[datetime]:
    """Return the beginnings of the last complete months and of the present one, the oldest first."""
    newest = now.year * 12 + now.month - 1
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return [first.replace(year=number // 12, month=number % 12 + 1) for number in range(newest - months, newest + 1)]
