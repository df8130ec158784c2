"""A simulated church with all its apps, synced, whose events reach a receiver in a process of its own."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.demo_check import DemoChurch, Row
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.selection import select_entities
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.domain.webhooks.inbox import RecordsResult
from openfaith_sync.domain.webhooks.subscription import SubscriptionReport
from openfaith_sync.engine.org_sync import run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.engine.webhooks.subscriptions import ensure_subscriptions
from openfaith_sync.sessions.opening import open_session, open_shared_subscriptions
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.connections.connections import add_connection, load_connection
from openfaith_sync.store.connections.selections import select_only, turn_on
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions
from openfaith_sync_tests.ten_entities import SHIPPED
from openfaith_sync_tests.web.making import ORG, PCO


@dataclass
class WholeChurch:
    """The church, our copy of it, and the manifest of both."""

    database: Database
    manifest: Manifest
    simulator: RunningSimulator
    entities: Collection[EntityName]
    """What is synced, in order."""
    looking: psycopg.Connection[Any]
    """One for all questions."""

    def sync(self, mode: SyncMode, entities: Collection[str] | None = None) -> None:
        with self._session(Lane.BACKFILL) as session:
            wanted = self.entities if entities is None else entities
            order = [name for name in self.manifest.graph.entities if name in wanted]
            for outcome in run_org(session, order, self.manifest.graph.hard, mode=mode):
                assert outcome.error is None, (outcome.entity, outcome.error)

    def subscribe(self, url: str) -> SubscriptionReport:
        connection = load_connection(self.database, ORG, PCO)
        unselected = self.manifest.entities.keys() - set(self.entities)
        with (
            open_shared_subscriptions(self.database, self.manifest, connection) as source,
            open_subscriptions(self.database, ORG, PCO) as store,
        ):
            return ensure_subscriptions(self.manifest, source, store, url, unselected)

    def read_inbox(self) -> RecordsResult:
        with self._session(Lane.WEBHOOK) as session:
            return run_records(session)

    def differing(self, entities: Collection[str] | None = None) -> dict[EntityName, list[str]]:
        """Return in what each entity differs from the church."""
        copy, found = DemoChurch(ORG, PCO, self._rows), dict[EntityName, list[str]]()
        for name in self.entities if entities is None else map(EntityName, entities):
            entity = self.manifest.entities[name]
            # Entities that share a canonical table are told apart by their ids.
            stored = {id_: row for id_, row in copy.stored(entity).items() if id_.rpartition("_")[0] == name}
            differences = copy.disagreements(entity, self.simulator.truth(name), stored, copy.dead_letters(name))
            if differences:
                found[name] = differences
        return found

    def _rows(self, statement: str) -> list[Row]:
        answer = self.looking.execute(statement.encode())
        columns = [column.name for column in answer.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in answer.fetchall()]

    @contextmanager
    def _session(self, lane: Lane) -> Iterator[Session]:
        connection = load_connection(self.database, ORG, PCO)
        with open_session(self.database, self.manifest, connection, lane=lane) as session:
            yield session


@contextmanager
def whole_church(database: Database, only: Collection[str], people: int) -> Iterator[WholeChurch]:
    """Run a church and connect it with these modules or entities; nothing is synced yet."""
    manifest = read_manifest(SHIPPED, "pco")
    ensure_tables(database, manifest)
    with running_simulator(SimulatorSettings(people=people, rate=None), manifest) as simulator:
        add_connection(database, Connection(ORG, PCO, simulator.base_url, BasicCredentials("demo", "demo")))
        private = [name for name, one in manifest.entities.items() if not one.sensitivity.is_granted]
        select_only(database, ORG, PCO, sorted(only))
        turn_on(database, ORG, PCO, private)
        entities = select_entities(manifest, sorted(only), private)
        with database.connect_fleet() as looking:
            yield WholeChurch(database, manifest, simulator, entities, looking)
