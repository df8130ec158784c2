"""A source in memory that serves its listing only in parts."""

from dataclasses import dataclass, field

from openfaith_sync.domain.errors import PageNotServed
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync_tests.engine.moving_church import MovingChurch


@dataclass
class PickyChurch(MovingChurch):
    """Fails on pages that are too large or hold a bad record, whenever they are asked for."""

    most: int = 1_000
    """Records that it serves at once."""
    bad: set[int] = field(default_factory=set)
    """Records that it fails on."""
    away: range = range(0)
    """The requests, counted from the first, at which it fails on everything."""

    def read_page(self, query: ListingQuery) -> Page:
        page = super().read_page(query)
        if len(self.queries) - 1 in self.away:
            raise PageNotServed("the source failed on its side")
        if len(page.records) > self.most:
            raise PageNotServed("the source did not answer its proxy in time")
        if self.bad & {int(record.external_id) for record in page.records}:
            raise PageNotServed("the source failed on its side")
        return page
