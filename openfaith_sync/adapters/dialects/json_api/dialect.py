"""The JSON:API dialect: turns a listing query into a request, and its response into a checked page."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx

from openfaith_sync.adapters.client.response_bodies import parse_json_object
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.json_api.accounts import stated_accounts, stated_name
from openfaith_sync.adapters.dialects.json_api.resource_objects import read_resource, read_rows
from openfaith_sync.adapters.dialects.pages.page_proofs import prove_advance, prove_nonempty, prove_page
from openfaith_sync.adapters.dialects.pages.rows import (
    fill_parameter,
    fill_path,
    parse_identity,
    stored_row,
    with_parent,
)
from openfaith_sync.adapters.ports.answer_reader import StatedError
from openfaith_sync.domain.connections.connection import Identity
from openfaith_sync.domain.errors import DefinitionError, MalformedAnswer
from openfaith_sync.domain.ids import AccountId, EntityName, ExternalId
from openfaith_sync.domain.manifest.dialect_files import JsonApiKeys
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import Ancestors, FreshRecord, ListingQuery, Order, Page
from openfaith_sync.domain.passes.walk_place import version_key
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
        self._entities = manifest.entities
        self._paging = adapter_file.paging
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
        paging = self._paging
        parameters: dict[str, str | int] = {
            **{name: fill_parameter(text, **query.ids) for name, text in entity.parameters.items()},
            paging.size_parameter: query.size or paging.size,
        }
        if query.offset:
            parameters[paging.offset_parameter] = query.offset
        version = entity.delta.attribute
        if query.is_sparse:
            # An unknown attribute selects nothing, which is intended for entities without a version.
            parameters[f"fields[{entity.resource}]"] = version or "id"
        if query.order is not Order.ID:
            parameters["order"] = f"-{version}" if query.order is Order.VERSION_DESCENDING else str(version)
        if query.version_from:
            parameters[f"where[{version}][gte]"] = version_key(query.version_from)
        if query.version_before:
            parameters[f"where[{version}][lt]"] = version_key(query.version_before)
        if query.within is not None and query.within.begin is not None:
            parameters[f"where[{query.within.attribute}][gte]"] = version_key(query.within.begin)
        if query.within is not None and query.within.end is not None:
            parameters[f"where[{query.within.attribute}][lt]"] = version_key(query.within.end)
        if included := ",".join(include for include, child in entity.sideload.items() if child in query.children):
            parameters["include"] = included
        is_deep = paging.deep_offset is not None and query.offset > paging.deep_offset.above
        path = entity.path + fill_path(entity.endpoints.list, **query.ids)
        return Request(path, parameters, entity.version, is_deep, query.is_reducible)

    def parse_page(self, entity: Entity, query: ListingQuery, document: JsonObject) -> Page:
        """Return the page for a query, after all checks."""
        meta, links = _expect(document, "meta", dict), _links(document)
        path = entity.path + fill_path(entity.endpoints.list, **query.ids)
        rows = _rows(document, meta, links)
        records = read_rows(rows, entity, path, query.offset, is_whole=not query.is_sparse)
        if query.parent is not None:
            records = tuple(with_parent(entity, query.parent, record) for record in records)
        children = self._children_by_type(child for child in entity.sideload.values() if child in query.children)
        page = Page(
            records=records,
            total_count=_expect(meta, "total_count", int),
            has_next=links.get("next") is not None,
            children=_read_children(document, children) if children else {},
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
        if entity.endpoints.get is None:
            raise DefinitionError(f"the manifest does not say where a single {entity.name} is read")
        path = entity.path + fill_path(entity.endpoints.get, **{**ancestors, "id": external_id, "parent": parent})
        parameters = {"include": ",".join(entity.sideload)} if with_children else {}
        return Request(path, parameters, entity.version, is_reducible=with_children)

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
        record = read_resource(found, entity.resource, drop=entity.drop)
        if record.is_unidentified and _named(found) in {None, external_id}:
            # It can only be the requested record, so that one still exists, however damaged.
            record = record._replace(external_id=external_id)
        if record.external_id != external_id:
            raise MalformedAnswer(f"the source sent another {entity.resource} than the one requested")
        children = self._children_by_type(entity.sideload.values()) if with_children else {}
        return FreshRecord(with_parent(entity, parent, record), _read_children(document, children) if children else {})

    def parse_payload(self, entity: Entity, payload: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record in an event's payload."""
        record = read_resource(dict(payload), is_whole=False, drop=entity.drop)
        if record.damage is not None:
            raise MalformedAnswer(f"the record in the event has an invalid {record.damage.field}")
        return with_parent(entity, parent, record)

    def parse_stored(self, entity: Entity, body: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record of a resource object that was kept."""
        return with_parent(entity, parent, read_resource(stored_row(body), entity.resource, drop=entity.drop))

    def _children_by_type(self, children: Iterable[str]) -> dict[str, Entity]:
        found = (self._entities[EntityName(child)] for child in children)
        return {child.resource: child for child in found}


def _read_children(body: Mapping[str, Any], children: Mapping[str, Entity]) -> dict[EntityName, tuple[RawRecord, ...]]:
    found: dict[EntityName, list[RawRecord]] = {child.name: [] for child in children.values()}
    # The source may omit the key when nothing is included (docs/pco.md 1.2).
    for resource in _expect(body, "included", list) if body.get("included") else ():
        kind = resource.get("type") if isinstance(resource, dict) else None
        # A resource without a type matches no entity; the children's own count then shows that one is missing.
        if isinstance(kind, str) and (child := children.get(kind)) is not None:
            found[child.name].append(read_resource(resource, drop=child.drop))
    return {name: tuple(records) for name, records in found.items()}


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
