"""A source whose archived events are listed apart: a listing in two variants, small pages and a clock of its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.passes.walk_place import version_key
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.source_tables import apply_manifest
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.adapters.dialects.declared import answered, answering, declare, listed, resource
from openfaith_sync_tests.engine.moving_church import EagerThreads
from openfaith_sync_tests.store.making import fetch

GRACE, EVENT = OrgId("grace"), EntityName("check_in_event")
KEY = SyncKey(GRACE, AdapterName("pco"), EVENT)
ARCHIVED, LIVE = "archived", "not_archived"
BEGAN = datetime(2026, 6, 1, 12, tzinfo=UTC)
ENTITIES = """
  check_in_event:
    resource: Event
    description: An event that people check in to.
    endpoints: {list: /events, get: "/events/{id}"}
    variants: [{filter: archived}, {filter: not_archived}]
    page_size: 3
    order_by: [updated_at]
    filters: [updated_at]
    delta: {by: DELTA, attribute: updated_at, overlap_seconds: 300}
    attributes: {name: {type: string}, updated_at: {type: date_time}}
"""

Request = Mapping[str, str]


@dataclass
class Event:
    """One event, as the source has it."""

    state: str
    updated_at: datetime
    name: str = "Sunday"


@dataclass
class VariantChurch:
    """A church with events, and what happens to its answers."""

    database: Database
    manifest: Manifest
    events: dict[int, Event]
    now: datetime = BEGAN
    before: Callable[["VariantChurch", Request], httpx.Response | None] = lambda *_: None
    """Called before each answer to a listing, which it may replace."""
    requests: list[Request] = field(default_factory=list)
    read_by_id: list[int] = field(default_factory=list)
    step: timedelta = timedelta(seconds=1)
    """How long each answer takes."""

    def answer(self, path: str, parameters: Request) -> Mapping[str, Any] | int | httpx.Response:
        self.now += self.step
        if not path.endswith("/events"):
            number = int(path.rpartition("/")[2])
            self.read_by_id.append(number)
            return self.dated({"data": self._shown(number, self.events[number])} if number in self.events else 404)
        self.requests.append(parameters)
        replaced = self.before(self, parameters)
        return replaced if replaced is not None else self.dated(self._page(parameters))

    def dated(self, found: Mapping[str, Any] | int) -> httpx.Response:
        """Return an answer with the source's time."""
        response = answered(found)
        response.headers["Date"] = format_datetime(self.now, usegmt=True)
        return response

    def change(self, number: int, **changed: str) -> None:
        """Change an event now."""
        self.events[number] = Event(**{**vars(self.events[number]), **changed, "updated_at": self.now})

    @contextmanager
    def session(self) -> Iterator[Session]:
        with answering(self.manifest, self.answer) as (source, _), open_store(self.database, GRACE) as store:
            yield Session(self.manifest, source, store, GRACE, threads=EagerThreads)

    def sync(self, mode: SyncMode = SyncMode.AUTO) -> PassResult:
        with self.session() as session:
            return run_entity(session, EVENT, mode)

    def live(self) -> set[int]:
        rows = fetch(self.database, "SELECT external_id FROM pco.check_in_events WHERE deleted_at IS NULL")
        return {int(row[0]) for row in rows}

    def names(self) -> dict[int, str]:
        return {
            int(row[0]): row[1] for row in fetch(self.database, "SELECT external_id, name FROM pco.check_in_events")
        }

    def _page(self, parameters: Request) -> dict[str, Any]:
        since = parameters.get("where[updated_at][gte]", "")
        until = parameters.get("where[updated_at][lt]", "9")
        found = [
            (version_key(event.updated_at), number)
            for number, event in self.events.items()
            if event.state == parameters["filter"] and since <= version_key(event.updated_at) < until
        ]
        by_version = parameters.get("order", "").endswith("updated_at")
        found.sort(key=lambda one: one if by_version else (one[1], one[0]), reverse="-" in parameters.get("order", ""))
        offset, size = int(parameters.get("offset", 0)), int(parameters["per_page"])
        rows = found[offset : offset + size]
        page = listed(*(self._shown(number, self.events[number]) for _, number in rows))
        page["meta"]["total_count"] = len(found)
        if offset + size < len(found):
            page["links"]["next"], page["meta"]["next"] = "more", {"offset": offset + size}
        return page

    @staticmethod
    def _shown(number: int, event: Event) -> dict[str, Any]:
        return resource("Event", str(number), {"name": event.name, "updated_at": version_key(event.updated_at)})


def a_church(
    database: Database, folder: Path, *, delta: str = "filter", without_single_reads: bool = False
) -> VariantChurch:
    """Return a church with fourteen events, every third of them archived; nothing is synced."""
    entities = ENTITIES.replace("DELTA", delta)
    if without_single_reads:
        entities = entities.replace(', get: "/events/{id}"', "")
    manifest = declare(folder, entities)
    with database.connect_fleet() as connection:
        list(apply_manifest(connection, manifest))
    events = {
        number: Event(ARCHIVED if number % 3 == 0 else LIVE, BEGAN - timedelta(days=30 - number))
        for number in range(1, 15)
    }
    return VariantChurch(database, manifest, events)
