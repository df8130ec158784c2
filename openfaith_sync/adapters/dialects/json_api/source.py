"""The JSON:API dialect: turns a listing query into a request and its answer into a proven page."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import httpx

from openfaith_sync.adapters.client.account import stated_accounts
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.json_api.resource_objects import parse_identity, read_resource, read_rows
from openfaith_sync.adapters.ratelimit.rate_limit_headers import parse_answered_at
from openfaith_sync.domain.connections.connection import Identity
from openfaith_sync.domain.errors import (
    AccessDenied,
    DefinitionError,
    FilterIgnored,
    MalformedAnswer,
    NotFoundAtSource,
    PageNotServed,
)
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Entity, Manifest
from openfaith_sync.domain.passes.listing import FreshRecord, ListingQuery, Order, Page, version_keys
from openfaith_sync.domain.passes.walk_place import version_key
from openfaith_sync.domain.records.record import JsonObject, RawRecord, Reference


class JsonApiSource:
    """One connection's records, as JSON:API serves them."""

    def __init__(self, manifest: Manifest, client: HttpClient) -> None:
        """Read through this client what the manifest describes."""
        self._manifest = manifest
        self._client = client

    def read_page(self, query: ListingQuery) -> Page:
        """Return one page, proven well formed and no shorter than the source promised."""
        return self._read_listing(self._manifest.entities[query.entity], query)

    def read_merges(self, query: ListingQuery) -> Page:
        """Return one page of the merges of an entity, proven like any other."""
        mergers = self._manifest.entities[query.entity].mergers
        if mergers is None:
            raise DefinitionError(f"the manifest does not say where merges of {query.entity} are listed")
        return self._read_listing(mergers, query)

    def _read_listing(self, entity: Entity, query: ListingQuery) -> Page:
        children = {entity_of: include for include, entity_of in entity.sideload.items() if entity_of in query.children}
        request = self._listing_request(entity, query, children.values())
        resources = {self._manifest.entities[EntityName(name)].resource: EntityName(name) for name in children}
        page, effort = self._client.read(request, self._page_parser(entity, query, resources))
        return replace(page, requests=effort.requests, waited=effort.waited)

    def read_record(
        self, entity: EntityName, external_id: ExternalId, parent: ExternalId | None = None
    ) -> FreshRecord | None:
        """Return one record fresh from the source, its sideloaded children with it; ``None`` when it has none."""
        part = self._manifest.entities[entity]
        try:
            return self._read_single(part, external_id, parent, part.sideload)
        except (AccessDenied, PageNotServed):
            # What is included may be what is denied, or what the source fails on.
            if not part.sideload:
                raise
        return self._read_single(part, external_id, parent, {})

    def _read_single(
        self, part: Entity, external_id: ExternalId, parent: ExternalId | None, included: Mapping[str, str]
    ) -> FreshRecord | None:
        path = part.path + _fill(part.endpoints.get, id=external_id, parent=parent)
        children = {self._manifest.entities[EntityName(of)].resource: EntityName(of) for of in included.values()}
        parameters = {"include": ",".join(included)} if included else {}

        def parse(response: httpx.Response) -> FreshRecord:
            body = self._client.parse_object(response)
            found = _require(body, "data")
            record = read_resource(found, part.resource)
            if record.is_unidentified and _named(found) in {None, external_id}:
                # Only one record can be meant, and it is alive, whatever else is wrong with it.
                record = record._replace(external_id=external_id)
            if record.external_id != external_id:
                raise MalformedAnswer(f"the source sent another {part.resource} than the one that was asked for")
            return FreshRecord(_below(part, parent, record), _read_children(body, children) if children else {})

        try:
            request = Request(path, parameters, part.version, is_reducible=bool(included))
            return self._client.read(request, parse)[0]
        except NotFoundAtSource:
            return None

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record that an event shows; without attributes where the event shows none.

        Raises:
            MalformedAnswer: It is no whole resource object.
        """
        part, record = self._manifest.entities[entity], read_resource(dict(payload), is_whole=False)
        if record.damage is not None:
            raise MalformedAnswer(f"an event shows a record with a wrong {record.damage.field}")
        return _below(part, parent, record)

    def read_account(self) -> Identity:
        """Prove the credentials, and return whom they belong to."""
        declared = self._manifest.adapter_file.account

        def parse(response: httpx.Response) -> Identity:
            body = self._client.parse_object(response)
            stated = stated_accounts(declared, declared.in_answers, body) if declared else iter(())
            return Identity(str(_expect(_expect(body, "data", dict), "id", str)), next(stated, None))

        return self._client.verify(parse)

    def _listing_request(self, entity: Entity, query: ListingQuery, includes: Iterable[str]) -> Request:
        paging = self._manifest.adapter_file.paging
        parameters: dict[str, str | int] = {**entity.parameters, paging.size_parameter: query.size or paging.size}
        if query.offset:
            parameters[paging.offset_parameter] = query.offset
        version = entity.delta.attribute
        if query.is_sparse:
            # An unknown name selects nothing, which is what is wanted where there is no version.
            parameters[f"fields[{entity.resource}]"] = version or "id"
        if query.order is not Order.ID:
            parameters["order"] = f"-{version}" if query.order is Order.VERSION_DESCENDING else str(version)
        if query.version_from:
            parameters[f"where[{version}][gte]"] = version_key(query.version_from)
        if query.version_before:
            parameters[f"where[{version}][lt]"] = version_key(query.version_before)
        if included := ",".join(includes):
            parameters["include"] = included
        is_deep = paging.deep_offset is not None and query.offset > paging.deep_offset.above
        path = entity.path + _fill(entity.endpoints.list, parent=query.parent)
        return Request(path, parameters, entity.version, is_deep, query.is_reducible)

    def _page_parser(
        self, entity: Entity, query: ListingQuery, children: Mapping[str, EntityName]
    ) -> Callable[[httpx.Response], Page]:
        def parse(response: httpx.Response) -> Page:
            body = self._client.parse_object(response)
            meta, links = _expect(body, "meta", dict), _links(body)
            path = entity.path + _fill(entity.endpoints.list, parent=query.parent)
            rows = _rows(body, meta, links)
            records = read_rows(rows, entity.resource, path, query.offset, is_whole=not query.is_sparse)
            if query.parent is not None:
                records = tuple(_below(entity, query.parent, record) for record in records)
            page = Page(
                records=records,
                total_count=_expect(meta, "total_count", int),
                has_next=links.get("next") is not None,
                children=_read_children(body, children) if children else {},
                answered_at=parse_answered_at(response.headers),
            )
            _prove_length(page, meta, query.offset)
            # A count that is known to be wrong still contradicts a listing without any record.
            is_counted = entity.total_count == "exact" or not (query.offset or page.rows)
            if is_counted and not page.has_next and query.offset + page.rows < page.total_count:
                page = replace(page, is_short=True)
            if query.order is not Order.ID:
                _prove_order(page, query, str(entity.delta.attribute))
            return page

        return parse


def _fill(path: str, **ids: ExternalId | None) -> str:
    """Put ids into a path, as one segment each whatever they hold."""
    for name, identity in ids.items():
        if f"{{{name}}}" in path:
            if not identity:
                raise DefinitionError(f"{path} was asked for without the {name}'s id")
            path = path.replace(f"{{{name}}}", quote(identity, safe=""))
    return path


def _below(entity: Entity, parent: ExternalId | None, record: RawRecord) -> RawRecord:
    """Return a nested record with the reference to its parent, which the wire shows in links only."""
    if entity.nested is None or parent is None:
        return record
    under = Reference(parent, entity.relationships[entity.nested.under].resource)
    return record._replace(references={**record.references, entity.nested.under: under})


def _read_children(
    body: Mapping[str, Any], children: Mapping[str, EntityName]
) -> dict[EntityName, tuple[RawRecord, ...]]:
    found: dict[EntityName, list[RawRecord]] = {entity: [] for entity in children.values()}
    # When nothing is included, the source may leave the key out (docs/pco.md 1.2).
    for resource in _expect(body, "included", list) if body.get("included") else ():
        kind = resource.get("type") if isinstance(resource, dict) else None
        # What names no type cannot be said to be anybody's: the children's own count then finds it missing.
        if isinstance(kind, str) and (entity := children.get(kind)) is not None:
            found[entity].append(read_resource(resource))
    return {entity: tuple(records) for entity, records in found.items()}


def _links(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the links of an answer, which may leave out the key when there are none."""
    is_promising_more = "next" in _expect(body, "meta", dict)
    return _expect(body, "links", dict) if "links" in body or is_promising_more else {}


def _rows(body: Mapping[str, Any], meta: Mapping[str, Any], links: Mapping[str, Any]) -> list[object]:
    """Return the rows of a listing; the key may be missing only where the source counts none as well."""
    is_empty = meta.get("total_count") == 0 and links.get("next") is None
    rows: list[object] = [] if is_empty and "data" not in body else _expect(body, "data", list)
    return rows


def _prove_length(page: Page, meta: Mapping[str, Any], offset: int) -> None:
    """Refuse a page whose next does not follow it.

    One that ends before the count is no error by itself: counts were seen to be wrong. The walk looks twice.
    """
    read = offset + page.rows
    if page.has_next:
        if not page.rows:
            raise MalformedAnswer(f"the source sent an empty page at offset {offset} and promised more")
        following = meta.get("next")
        next_offset = following.get("offset") if isinstance(following, dict) else None
        if next_offset != read:
            raise MalformedAnswer(
                f"the source's next page starts at {next_offset}, expected {read}: the listing does not advance rightly"
            )


def _prove_order(page: Page, query: ListingQuery, attribute: str) -> None:
    """Refuse rows that were not asked for: unknown filters and orders are ignored (docs/pco.md 1.4, 1.5)."""
    # Records without a version stand at one end or the other, and prove nothing.
    keys = [key for key in version_keys(page.records, attribute) if key]
    if query.order is Order.VERSION_DESCENDING:
        keys.reverse()
    if any(later < earlier for earlier, later in pairwise(keys)):
        raise FilterIgnored(f"the source did not order {query.entity} by {attribute}; check delta.by in the manifest")
    is_below = bool(keys) and query.version_from is not None and keys[0] < version_key(query.version_from)
    is_above = bool(keys) and query.version_before is not None and keys[-1] >= version_key(query.version_before)
    if is_below or is_above:
        raise FilterIgnored(
            f"the source ignored the filter on {query.entity}.{attribute}; check delta.by in the manifest"
        )


def _named(found: object) -> ExternalId | None:
    return parse_identity(found.get("id")) if isinstance(found, dict) else None


def _require(found: Mapping[str, Any], key: str) -> object:
    value = found.get(key)
    if value is None:
        raise MalformedAnswer(f"the source's answer has nothing at {key!r}")
    return value


def _expect(found: Mapping[str, Any], key: str, kind: type) -> Any:
    value = found.get(key)
    if type(value) is not kind:
        shown = "nothing" if value is None else f"a {type(value).__name__}"
        raise MalformedAnswer(f"the source's answer has {shown} at {key!r}, expected a {kind.__name__}")
    return value
