"""What the engine needs of a source."""

from typing import Protocol

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.records.record import JsonObject, RawRecord


class KeptRecords(Protocol):
    """Reads what was kept of records, without a request."""

    def parse_stored(self, entity: EntityName, body: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record of the body that a dead letter keeps, marked as damaged if it still cannot be read."""
        ...


class Source(KeptRecords, Protocol):
    """One org's connection to the external system. Safe to use from several threads."""

    def read_page(self, query: ListingQuery) -> Page:
        """Return one page, proven well formed.

        Raises:
            TransientError: The source failed, or its response is malformed.
            ReconnectRequired: The credentials are refused.
            NotFoundAtSource: There is no such listing; for a nested one, the parent is gone.
            AccessDenied: The token may not read it.
            DefinitionError: The request itself is wrong.
        """
        ...

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        """Return one record fresh from the source, its sideloaded children with it.

        ``None`` only when the source answers 404 or 410, which is the only evidence that it is gone.
        ``parent`` is needed for nested entities, and ``ancestors`` where their paths have further path parameters.

        Raises:
            AccessDenied: The token may not read it, which does not say whether it exists.
            TransientError: The source failed.
        """
        ...

    def read_merges(self, query: ListingQuery) -> Page:
        """Return one page of the merges of an entity, ordered by when they were made.

        Raises:
            AccessDenied: The token may not read them.
            TransientError: The source failed, or its response is malformed.
        """
        ...

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record that an event shows; without attributes where the event shows none.

        Raises:
            MalformedAnswer: The payload is not a record.
        """
        ...
