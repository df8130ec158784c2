"""The names of webhook events, and their payloads."""

import re
from collections.abc import Iterable
from typing import Any

import orjson

from openfaith_sync.simulator.api.documents import DocumentBuilder
from openfaith_sync.simulator.api.query import Query
from openfaith_sync.simulator.data.church import Action
from openfaith_sync.simulator.data.tables import Row, Table

_PLAIN = Query(pairs=(), per_page=1, offset=0)
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")
_NAME_PARTS = 5


class EventNames:
    """The event names that the manifest's entities list, such as ``people.v2.events.person.created``."""

    def __init__(self, tables: Iterable[Table]) -> None:
        """Collect the names of all entities; an entity may list those of another one of its product."""
        self.known = sorted({name for table in tables for name in table.entity.webhooks})
        self._by_meaning = {(p[0], p[-2], p[-1]): name for name in self.known for p in [name.split(".")]}

    def name_of(self, action: Action, table: Table) -> str | None:
        """Return the event name for a change; nothing if the source does not announce it."""
        product = table.entity.path.split("/")[1]
        resource = _WORD_START.sub("_", table.entity.resource).lower()
        return self._by_meaning.get((product, resource, action))


def describe(name: str) -> dict[str, str]:
    """Return the parts of an event's name as the source lists them."""
    parts = name.split(".")
    # The extra parts of a longer name belong to the resource: plan.live.updated.
    resource = ".".join(parts[_NAME_PARTS - 2 : -1])
    return {
        "action": parts[-1],
        "app": parts[0],
        "name": name,
        "resource": resource,
        "type": parts[2],
        "version": parts[1],
    }


def write_payload(builder: DocumentBuilder, action: Action, table: Table, row: Row, event_time: str) -> str:
    """Return the payload of an event; that of a deleted record has no attributes."""
    document: dict[str, Any] = orjson.loads(builder.single(table, row, _PLAIN).body)
    record, meta = document["data"], document["meta"]
    if action == "destroyed":
        del record["attributes"]
        return orjson.dumps({"data": record, "meta": {"parent": meta["parent"]}}).decode()
    record["attributes"] = _in_older_version(record["type"], record["attributes"])
    shown = {name: meta[name] for name in ("can_include", "parent") if name in meta}
    document = {"data": record, "included": [], "meta": shown | {"event_time": event_time}}
    return orjson.dumps(document).decode()


def _in_older_version(resource: str, attributes: dict[str, Any]) -> dict[str, Any]:
    # Events are written in an older version than the newest (docs/pco.md 4.2): an address
    # still has one street. A receiver that stores payloads unchanged shows it.
    if resource != "Address":
        return attributes
    lines = [attributes.get("street_line_1"), attributes.get("street_line_2")]
    kept = {name: value for name, value in attributes.items() if not name.startswith("street_line_")}
    return kept | {"street": "\n".join(line for line in lines if line) or None}
