"""What may stand between the engine and a source, and show something else than it does."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.records.record import JsonObject, RawRecord
from openfaith_sync.engine.ports.source import Source


@dataclass
class AlteredSource:
    """A source that passes everything on as it is; a subclass alters some of it."""

    inner: Source

    def read_page(self, query: ListingQuery) -> Page:
        return self.inner.read_page(query)

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        return self.inner.read_record(entity, external_id, parent, ancestors)

    def read_merges(self, query: ListingQuery) -> Page:
        return self.inner.read_merges(query)

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        return self.inner.parse_payload(entity, payload, parent)

    def parse_stored(self, entity: EntityName, body: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        return self.inner.parse_stored(entity, body, parent)


def with_records(page: Page, records: Iterable[RawRecord], hidden: int = 0) -> Page:
    """Return a page that shows these records instead, of a listing that counts so many fewer."""
    total = None if page.total_count is None else page.total_count - hidden
    return replace(page, records=tuple(records), total_count=total)
