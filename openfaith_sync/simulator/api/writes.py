"""Writes: what POST, PATCH and DELETE do to records, as the source answers them."""

from typing import Any

import orjson

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.api.documents import Librarian
from openfaith_sync.simulator.api.query import Query
from openfaith_sync.simulator.api.responses import Answer, error, invalid, page_not_found
from openfaith_sync.simulator.api.routes import Listing, Nested, Route, Single
from openfaith_sync.simulator.data.church import Church
from openfaith_sync.simulator.data.tables import Table
from openfaith_sync.simulator.data.validation import is_needed

# The attributes that the source is known to insist on.
_NEVER_BLANK = ("first_name", "address")


def write(church: Church, librarian: Librarian, route: Route | None, method: str, body: bytes, query: Query) -> Answer:
    """Do what a write asks for, and give its answer."""
    try:
        return _write(church, librarian, route, method, body, query)
    except UsageError as refusal:
        return error(422, str(refusal))


def _write(church: Church, librarian: Librarian, route: Route | None, method: str, body: bytes, query: Query) -> Answer:
    if method == "DELETE" and isinstance(route, Single):
        church.delete(route.table.entity.name, route.row.id)
        return Answer(204)
    if method == "PATCH" and isinstance(route, Single):
        return _change(church, librarian, route, body, query)
    if method == "POST" and isinstance(route, Listing | Nested):
        return _create(church, librarian, route, body, query)
    return error(404) if route is None and method in ("POST", "PATCH", "DELETE") else page_not_found()


def _change(church: Church, librarian: Librarian, route: Single, body: bytes, query: Query) -> Answer:
    given = _payload(body)
    if given is None:
        return _no_payload()
    attributes, relationships = given
    refused = _refuse(route.table, attributes)
    if refused is not None:
        return refused
    church.change(route.table.entity.name, route.row.id, attributes, relationships)
    document = librarian.single(route.table, route.row, query)
    return Answer(200, document.body, count=1)


def _create(church: Church, librarian: Librarian, route: Listing | Nested, body: bytes, query: Query) -> Answer:
    table = route.table if isinstance(route, Listing) else route.edge.target
    given = _payload(body)
    if given is None:
        return _no_payload()
    attributes, relationships = given
    if isinstance(route, Nested) and route.edge.is_owned:
        relationships = relationships | {route.edge.relationship: route.row.id}
    blank = {name: None for name in _NEVER_BLANK if name in table.position}
    refused = _refuse(table, blank | attributes)
    if refused is not None:
        return refused
    for name, declared in table.entity.relationships.items():
        if is_needed(table, name) and declared.target in church.world.tables and not relationships.get(name):
            return invalid("can't be blank", name, table.entity.resource)
    row = church.create(table.entity.name, attributes, relationships)
    return Answer(201, librarian.single(table, row, query).body, count=1)


def _refuse(table: Table, attributes: dict[str, Any]) -> Answer | None:
    for name in _NEVER_BLANK:
        if name in attributes and not attributes[name]:
            return invalid("can't be blank", name, table.entity.resource)
    return None


def _payload(body: bytes) -> tuple[dict[str, Any], dict[str, Any]] | None:
    try:
        data = orjson.loads(body)["data"]
        linked = data.get("relationships") or {}
        relationships = {name: _ids(found["data"]) for name, found in linked.items()}
        return dict(data.get("attributes") or {}), relationships
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None


def _ids(data: Any) -> Any:
    if isinstance(data, list):
        return [found["id"] for found in data]
    return None if data is None else data["id"]


def _no_payload() -> Answer:
    return error(400, "The payload given does not contain a 'data' key.", code="invalid_resource_payload")
