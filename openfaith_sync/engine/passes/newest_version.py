"""Ask the source for the newest version of an entity, which comes with its count, before a pass begins."""

from dataclasses import dataclass, replace
from datetime import datetime

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.passes.listing import ListingQuery, Order
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.page_reading import PageReader
from openfaith_sync.engine.passes.variants import each_variant
from openfaith_sync.engine.passes.watermarks import bound_watermark, newest_believed


@dataclass(frozen=True, slots=True)
class NewestVersion:
    """What the source shows of an entity now; a later delta reads later changes."""

    version: datetime | None = None
    counted: int | None = None
    """How many records it counts, where that is reliable."""
    requests: int = 0


def read_newest_version(session: EntitySession, entity: Entity) -> NewestVersion:
    """Return the newest version of an entity that the source shows, and the number of records that it counts."""
    if entity.delta.by is DeltaCapability.NONE:
        return NewestVersion()
    query = ListingQuery(entity.name, Order.VERSION_DESCENDING, size=1)
    found = [_read_one(session, entity, part) for part in each_variant(entity, query)]
    counts = [one.counted for one in found]
    return NewestVersion(
        max((one.version for one in found if one.version is not None), default=None),
        None if None in counts else sum(count or 0 for count in counts),
        sum(one.requests for one in found),
    )


def _read_one(session: EntitySession, entity: Entity, query: ListingQuery) -> NewestVersion:
    reader = PageReader(session.source.read_page, session.manifest.paging_of(entity.name).size)
    page = reader.read(query)
    requests = page.requests
    newest = newest_believed(page, entity)
    if newest is None and page.records:
        # The newest record is dated in the future, or not at all: look at those behind it.
        page = reader.read(replace(query, size=None))
        requests += page.requests
        newest = newest_believed(page, entity)
    bounded = bound_watermark(newest, page.answered_at, entity.delta.overlap)
    return NewestVersion(bounded, page.total_count if entity.total_count == "exact" else None, requests)
