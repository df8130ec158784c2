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
# The resources that events call otherwise than the API does.
_CALLED = {"item": "plan_item", "giving_person": "profile", "event_resource_request": "event_request"}


class EventNames:
    """The event names that the manifest's entities list, such as ``people.v2.events.person.created``."""

    def __init__(self, tables: Iterable[Table]) -> None:
        """Collect the names of all entities; an entity may list those of another one of its product."""
        self.known = sorted({name for table in tables for name in table.entity.webhooks})
        self._by_meaning = {
            (app, resource, action): name for name in self.known for app, _, resource, action in [_split(name)]
        }

    def name_of(self, action: Action, table: Table) -> str | None:
        """Return the event name for a change; nothing if the source does not announce it."""
        app, entity = table.entity.path.split("/")[1], table.entity
        resource = _CALLED.get(entity.name) or _WORD_START.sub("_", entity.resource).lower()
        return self._by_meaning.get((app, resource, action))


def describe(name: str) -> dict[str, str]:
    """Return the parts of an event's name as the source lists them."""
    app, version, resource, action = _split(name)
    # The extra parts of a longer name belong to the resource: plan.live.updated.
    *further, last = action.split(".")
    return {
        "action": last,
        "app": app,
        "name": name,
        "resource": ".".join([resource, *further]),
        "type": "events",
        "version": version,
    }


def _split(name: str) -> tuple[str, str, str, str]:
    """Return the app, version, resource and action of a name; an app's part may have a word of its own before it."""
    before, _, after = name.partition(".events.")
    resource, _, action = after.partition(".")
    parts = before.split(".")
    return parts[0], parts[-1], resource, action


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
