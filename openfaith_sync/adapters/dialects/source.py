"""Reads one connection's records through the client, in the dialect of its manifest."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Generic, TypeVar

import httpx

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.pages.page_windows import read_window
from openfaith_sync.adapters.dialects.port import Dialect
from openfaith_sync.adapters.ratelimit.rate_limit_headers import parse_answered_at
from openfaith_sync.domain.connections.connection import Identity
from openfaith_sync.domain.errors import AccessDenied, DefinitionError, NotFoundAtSource, PageNotServed
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.records.record import JsonObject, RawRecord

D = TypeVar("D")
T = TypeVar("T")


class DialectRecords(Generic[D]):
    """What was kept of an adapter's records; implements ``engine.ports.KeptRecords``. Needs no connection."""

    def __init__(self, manifest: Manifest, dialect: Dialect[D]) -> None:
        """Read records of the manifest's entities."""
        self._manifest = manifest
        self._dialect = dialect

    def parse_stored(self, entity: EntityName, body: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record of the body that was kept of one, without a request."""
        return self._dialect.parse_stored(self._manifest.entities[entity], body, parent)


class DialectSource(DialectRecords[D]):
    """The records of one connection; implements ``engine.ports.Source``. Thread-safe."""

    def __init__(self, manifest: Manifest, dialect: Dialect[D], client: HttpClient) -> None:
        """Read the entities of the manifest through this client."""
        super().__init__(manifest, dialect)
        self._client = client

    def read_page(self, query: ListingQuery) -> Page:
        """Return one checked page, marked as short if the source counts more records."""
        return self._read_listing(self._manifest.entities[query.entity], query)

    def read_merges(self, query: ListingQuery) -> Page:
        """Return one checked page of the merges of an entity."""
        merge_listing = self._manifest.entities[query.entity].merge_listing
        if merge_listing is None:
            raise DefinitionError(f"the manifest does not say where merges of {query.entity} are listed")
        return self._read_listing(merge_listing, query)

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        """Return one record fresh from the source, with its sideloaded children; ``None`` if it does not exist."""
        definition = self._manifest.entities[entity]
        try:
            return self._read_single(
                definition, external_id, parent, ancestors, with_children=bool(definition.sideload)
            )
        except (AccessDenied, PageNotServed):
            # The included children may be what is denied, or what makes the source fail.
            if not definition.sideload:
                raise
        return self._read_single(definition, external_id, parent, ancestors, with_children=False)

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record in an event's payload; without attributes if the event contains none.

        Raises:
            MalformedAnswer: The payload is not a complete record.
        """
        return self._dialect.parse_payload(self._manifest.entities[entity], payload, parent)

    def read_account(self) -> Identity:
        """Verify the credentials, and return whom they belong to."""

        def build(document: D) -> Identity:
            identity = self._dialect.parse_identity(document)
            self._client.check_account(() if identity.account is None else (identity.account,))
            return identity

        return self._client.verify(self._checked_parser(build))

    def _read_listing(self, entity: Entity, query: ListingQuery) -> Page:
        paging = self._manifest.paging_of(entity.name)
        if paging.by == "page" and entity.is_paged and not entity.has_one_record:
            return read_window(query, paging.size, lambda part: self._read_one(entity, part))
        return self._read_one(entity, query)

    def _read_one(self, entity: Entity, query: ListingQuery) -> Page:
        request = self._dialect.listing_request(entity, query)

        def parse(response: httpx.Response) -> tuple[Page, datetime]:
            page = self._checked_parser(lambda document: self._dialect.parse_page(entity, query, document))(response)
            return replace(page, versions=self._other_version(entity, response)), parse_answered_at(response.headers)

        (page, answered_at), stats = self._client.read(request, parse)
        return replace(page, requests=stats.requests, waited=stats.waited, answered_at=answered_at)

    def _other_version(self, entity: Entity, response: httpx.Response) -> tuple[str, str] | None:
        """Return the API version asked for and the one answered in, if the response states another."""
        header = self._manifest.adapter_file.answered_version_header
        answered = response.headers.get(header) if header is not None else None
        asked = entity.version
        return None if answered is None or asked is None or answered == asked else (asked, answered)

    def _read_single(
        self,
        entity: Entity,
        external_id: ExternalId,
        parent: ExternalId | None,
        ancestors: Ancestors,
        *,
        with_children: bool,
    ) -> FreshRecord | None:
        request = self._dialect.record_request(entity, external_id, parent, ancestors, with_children=with_children)

        def build(document: D) -> FreshRecord:
            return self._dialect.parse_record(entity, external_id, parent, document, with_children=with_children)

        try:
            return self._client.read(request, self._checked_parser(build))[0]
        except NotFoundAtSource:
            return None

    def _checked_parser(self, build: Callable[[D], T]) -> Callable[[httpx.Response], T]:
        """Return a parser that first checks that the response belongs to the connection's account."""

        def parse(response: httpx.Response) -> T:
            document = self._dialect.parse_document(response)
            self._client.check_account(self._dialect.stated_accounts(document))
            return build(document)

        return parse
