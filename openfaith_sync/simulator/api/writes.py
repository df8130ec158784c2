"""Handle POST, PATCH and DELETE of records, and respond as the source does."""

from typing import Any

import orjson

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.api.documents import DocumentBuilder
from openfaith_sync.simulator.api.query import Query
from openfaith_sync.simulator.api.responses import SimulatedResponse, error, invalid, page_not_found
from openfaith_sync.simulator.api.routes import Listing, NestedListing, Route, Single
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.tables import Table
from openfaith_sync.simulator.data.validation import is_needed

# The attributes that the source is known to require.
_NEVER_BLANK = ("first_name", "address")


def write(
    church: SimulatedChurch, builder: DocumentBuilder, route: Route | None, method: str, body: bytes, query: Query
) -> SimulatedResponse:
    """Apply a write and return its response."""
    try:
        return _write(church, builder, route, method, body, query)
    except UsageError as refusal:
        return error(422, str(refusal))


def _write(
    church: SimulatedChurch, builder: DocumentBuilder, route: Route | None, method: str, body: bytes, query: Query
) -> SimulatedResponse:
    if method == "DELETE" and isinstance(route, Single):
        church.delete(route.table.entity.name, route.row.id)
        return SimulatedResponse(204)
    if method == "PATCH" and isinstance(route, Single):
        return _change(church, builder, route, body, query)
    if method == "POST" and isinstance(route, Listing | NestedListing):
        return _create(church, builder, route, body, query)
    return error(404) if route is None and method in ("POST", "PATCH", "DELETE") else page_not_found()


def _change(
    church: SimulatedChurch, builder: DocumentBuilder, route: Single, body: bytes, query: Query
) -> SimulatedResponse:
    payload = _payload(body)
    if payload is None:
        return _no_payload()
    attributes, relationships = payload
    refused = _refuse(route.table, attributes)
    if refused is not None:
        return refused
    church.change(route.table.entity.name, route.row.id, attributes, relationships)
    document = builder.single(route.table, route.row, query)
    return SimulatedResponse(200, document.body, count=1)


def _create(
    church: SimulatedChurch, builder: DocumentBuilder, route: Listing | NestedListing, body: bytes, query: Query
) -> SimulatedResponse:
    table = route.table if isinstance(route, Listing) else route.edge.target
    payload = _payload(body)
    if payload is None:
        return _no_payload()
    attributes, relationships = payload
    if isinstance(route, NestedListing) and route.edge.is_owned:
        relationships = relationships | {route.edge.relationship: route.row.id}
    blank = {name: None for name in _NEVER_BLANK if name in table.position}
    refused = _refuse(table, blank | attributes)
    if refused is not None:
        return refused
    for name, declared in table.entity.relationships.items():
        if is_needed(table, name) and declared.target in church.world.tables and not relationships.get(name):
            return invalid("can't be blank", name, table.entity.resource)
    row = church.create(table.entity.name, attributes, relationships)
    return SimulatedResponse(201, builder.single(table, row, query).body, count=1)


def _refuse(table: Table, attributes: dict[str, Any]) -> SimulatedResponse | None:
    for name in _NEVER_BLANK:
        if name in attributes and not attributes[name]:
            return invalid("can't be blank", name, table.entity.resource)
    return None


def _payload(body: bytes) -> tuple[dict[str, Any], dict[str, Any]] | None:
    try:
        data = orjson.loads(body)["data"]
        linked = data.get("relationships") or {}
        relationships = {name: _ids(relationship["data"]) for name, relationship in linked.items()}
        return dict(data.get("attributes") or {}), relationships
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None


def _ids(data: Any) -> Any:
    if isinstance(data, list):
        return [identifier["id"] for identifier in data]
    return None if data is None else data["id"]


def _no_payload() -> SimulatedResponse:
    return error(400, "The payload given does not contain a 'data' key.", code="invalid_resource_payload")
