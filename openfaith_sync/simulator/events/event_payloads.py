"""Announcing: which events the source has names for, and what an event says."""

import re
from collections.abc import Iterable
from typing import Any

import orjson

from openfaith_sync.simulator.api.documents import Librarian
from openfaith_sync.simulator.api.query import Query
from openfaith_sync.simulator.data.church import Action
from openfaith_sync.simulator.data.tables import Row, Table

_PLAIN = Query(pairs=(), per_page=1, offset=0)
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")
_NAME_PARTS = 5


class EventNames:
    """The names that the manifest's entities list, such as ``people.v2.events.person.created``."""

    def __init__(self, tables: Iterable[Table]) -> None:
        """Take the names of all entities; one may list those of another of its product."""
        self.known = sorted({name for table in tables for name in table.entity.webhooks})
        self._by_meaning = {(p[0], p[-2], p[-1]): name for name in self.known for p in [name.split(".")]}

    def name_of(self, action: Action, table: Table) -> str | None:
        """Return the name of what happened; nothing when the source says nothing of it."""
        product = table.entity.path.split("/")[1]
        resource = _WORD_START.sub("_", table.entity.resource).lower()
        return self._by_meaning.get((product, resource, action))


def describe(name: str) -> dict[str, str]:
    """Return the parts of an event's name as the source lists them."""
    parts = name.split(".")
    # A name with more parts has them in the resource's: plan.live.updated.
    resource = ".".join(parts[_NAME_PARTS - 2 : -1])
    return {
        "action": parts[-1],
        "app": parts[0],
        "name": name,
        "resource": resource,
        "type": parts[2],
        "version": parts[1],
    }


def write_payload(librarian: Librarian, action: Action, table: Table, row: Row, event_time: str) -> str:
    """Return the text of an event; one of a record that goes holds none of its attributes."""
    document: dict[str, Any] = orjson.loads(librarian.single(table, row, _PLAIN).body)
    record, meta = document["data"], document["meta"]
    if action == "destroyed":
        del record["attributes"]
        return orjson.dumps({"data": record, "meta": {"parent": meta["parent"]}}).decode()
    record["attributes"] = _in_older_version(record["type"], record["attributes"])
    shown = {name: meta[name] for name in ("can_include", "parent") if name in meta}
    said = {"data": record, "included": [], "meta": shown | {"event_time": event_time}}
    return orjson.dumps(said).decode()


def _in_older_version(resource: str, attributes: dict[str, Any]) -> dict[str, Any]:
    # Events are written in an older version than the newest (docs/pco.md 4.2):
    # an address has one street still. A receiver that stores payloads as they are shows it.
    if resource != "Address":
        return attributes
    lines = [attributes.get("street_line_1"), attributes.get("street_line_2")]
    kept = {name: value for name, value in attributes.items() if not name.startswith("street_line_")}
    return kept | {"street": "\n".join(line for line in lines if line) or None}
