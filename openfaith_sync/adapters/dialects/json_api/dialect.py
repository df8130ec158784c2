"""The JSON:API dialect: turns a listing query into a request, and its response into a checked page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from openfaith_sync.adapters.client.response_bodies import parse_json_object
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.json_api.accounts import stated_accounts, stated_name
from openfaith_sync.adapters.dialects.json_api.included import Inclusion, read_children, shape_of
from openfaith_sync.adapters.dialects.json_api.requests import JsonApiRequests
from openfaith_sync.adapters.dialects.json_api.resource_objects import read_resource
from openfaith_sync.adapters.dialects.pages.page_proofs import prove_advance, prove_nonempty, prove_page
from openfaith_sync.adapters.dialects.pages.rows import (
    fill_path,
    parse_identity,
    stored_row,
    with_parent,
    with_positions,
)
from openfaith_sync.adapters.ports.answer_reader import StatedError
from openfaith_sync.domain.connections.connection import Identity
from openfaith_sync.domain.errors import DefinitionError, MalformedAnswer, NotFoundAtSource
from openfaith_sync.domain.ids import AccountId, EntityName, ExternalId
from openfaith_sync.domain.manifest.dialect_files import JsonApiKeys
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.records.record import JsonObject, RawRecord


class JsonApiDialect:
    """JSON:API with Planning Center's query parameters; implements ``Dialect``."""

    media_type = "application/json"

    def __init__(self, manifest: Manifest) -> None:
        """Configure the dialect from the manifest.

        Raises:
            DefinitionError: The manifest is for another dialect.
        """
        adapter_file = manifest.adapter_file
        if not isinstance(adapter_file, JsonApiKeys):
            raise DefinitionError(f"the {manifest.adapter} manifest does not use the JSON:API dialect")
        self._requests = JsonApiRequests(adapter_file.paging, manifest.entities)
        self._account = adapter_file.account

    def parse_document(self, response: httpx.Response) -> JsonObject:
        """Return the JSON object of a successful response."""
        return parse_json_object(response)

    def stated_error(self, response: httpx.Response) -> StatedError | None:  # noqa: ARG002  the port's
        """Return ``None``: JSON:API errors have an error status."""
        return None

    def accounts_in(self, response: httpx.Response) -> Iterator[AccountId]:
        """Yield the accounts that a response states."""
        return self.stated_accounts(self.parse_document(response))

    def stated_accounts(self, document: JsonObject) -> Iterator[AccountId]:
        """Yield the accounts that a document states."""
        return stated_accounts(self._account, self._account.in_answers, document) if self._account else iter(())

    def parse_identity(self, document: JsonObject) -> Identity:
        """Return whom the credentials belong to."""
        account = next(self.stated_accounts(document), None)
        name = stated_name(self._account, account, document) if self._account and account else None
        return Identity(str(_expect(_expect(document, "data", dict), "id", str)), account, name)

    def listing_request(self, entity: Entity, query: ListingQuery) -> Request:
        """Return the request for one page of a listing."""
        return self._requests.listing(entity, query)

    def parse_page(self, entity: Entity, query: ListingQuery, document: JsonObject) -> Page:
        """Return the page for a query, after all checks."""
        inclusion = self._requests.inclusion(entity, query.children)
        path = entity.path + fill_path(entity.endpoints.list, **query.ids)
        if entity.has_one_record:
            rows: list[object] = [_expect(document, "data", dict)][query.offset :]
            records = self._read_rows(inclusion, query, rows, path)
            return Page(records, 1, has_next=False, children=_read_children(inclusion, document, records, query.parent))
        meta, links = _expect(document, "meta", dict), _links(document)
        records = self._read_rows(inclusion, query, _rows(document, meta, links), path)
        page = Page(
            records=records,
            total_count=_expect(meta, "total_count", int),
            has_next=links.get("next") is not None,
            children=_read_children(inclusion, document, records, query.parent),
        )
        following = meta.get("next")
        prove_nonempty(page, query)
        prove_advance(page, query, following.get("offset") if isinstance(following, dict) else None)
        return prove_page(entity, query, page)

    def record_request(
        self,
        entity: Entity,
        external_id: ExternalId,
        parent: ExternalId | None,
        ancestors: Ancestors,
        *,
        with_children: bool,
    ) -> Request:
        """Return the request for one record, including its children if asked."""
        ids = {**ancestors, "id": external_id, "parent": parent}
        return self._requests.single(entity, ids, with_children=with_children)

    def parse_record(
        self,
        entity: Entity,
        external_id: ExternalId,
        parent: ExternalId | None,
        document: JsonObject,
        *,
        with_children: bool,
    ) -> FreshRecord:
        """Return the requested record."""
        found = _require(document, "data")
        inclusion = self._requests.single_inclusion(entity, with_children=with_children)
        record = read_resource(found, inclusion.shape())
        if record.is_unidentified and _named(found) in {None, external_id}:
            # It can only be the requested record, so that one still exists, however damaged.
            record = record._replace(external_id=external_id)
        if record.external_id != external_id and entity.nested is not None and entity.nested.one:
            raise NotFoundAtSource(f"its {entity.resource} is another one by now")
        if record.external_id != external_id:
            raise MalformedAnswer(f"the source sent another {entity.resource} than the one requested")
        record = with_parent(entity, parent, record)
        return FreshRecord(record, _read_children(inclusion, document, (record,), parent))

    def parse_payload(self, entity: Entity, payload: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record in an event's payload."""
        record = read_resource(dict(payload), shape_of(entity, is_whole=False)._replace(resource=None))
        if record.damage is not None:
            raise MalformedAnswer(f"the record in the event has an invalid {record.damage.field}")
        return with_parent(entity, parent, record)

    def parse_stored(self, entity: Entity, body: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record of a resource object that was kept."""
        return with_parent(entity, parent, read_resource(stored_row(body), shape_of(entity, entity.includes)))

    @staticmethod
    def _read_rows(inclusion: Inclusion, query: ListingQuery, rows: list[object], path: str) -> tuple[RawRecord, ...]:
        shape = inclusion.shape(is_whole=not query.is_sparse)
        records = with_positions(tuple(read_resource(row, shape) for row in rows), path, query.offset)
        if query.parent is None:
            return records
        return tuple(with_parent(inclusion.entity, query.parent, record) for record in records)


def _read_children(
    inclusion: Inclusion, body: Mapping[str, Any], records: Sequence[RawRecord], parent: ExternalId | None
) -> dict[EntityName, tuple[RawRecord, ...]]:
    # The source may omit the key when nothing is included (docs/pco.md 1.2).
    included = _expect(body, "included", list) if inclusion.children and body.get("included") else []
    return read_children(inclusion, included, records, parent)


def _links(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the links of a response; the key may be missing if there are none."""
    has_next = "next" in _expect(body, "meta", dict)
    return _expect(body, "links", dict) if "links" in body or has_next else {}


def _rows(body: Mapping[str, Any], meta: Mapping[str, Any], links: Mapping[str, Any]) -> list[object]:
    """Return the rows of a listing; the key may be missing only if the source also counts none."""
    is_empty = meta.get("total_count") == 0 and links.get("next") is None
    rows: list[object] = [] if is_empty and "data" not in body else _expect(body, "data", list)
    return rows


def _named(found: object) -> ExternalId | None:
    return parse_identity(found.get("id")) if isinstance(found, dict) else None


def _require(found: Mapping[str, Any], key: str) -> object:
    value = found.get(key)
    if value is None:
        raise MalformedAnswer(f"the source's response has nothing at {key!r}")
    return value


def _expect(found: Mapping[str, Any], key: str, kind: type) -> Any:
    value = found.get(key)
    if type(value) is not kind:
        shown = "nothing" if value is None else f"a {type(value).__name__}"
        raise MalformedAnswer(f"the source's response has {shown} at {key!r}, expected a {kind.__name__}")
    return value
