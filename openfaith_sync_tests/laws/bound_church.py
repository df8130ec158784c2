"""A church whose connection is stored and bound to its account, beside another church's records at the same source."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from openfaith_sync.adapters.dialects.port import RecordSource
from openfaith_sync.adapters.sources import open_source, verify_connection
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import AccountId, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.webhooks.inbox import InboxEvent, RecordsResult
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.connections import add_connection, load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.rows import RECORDS
from openfaith_sync_tests.laws.sharing import watch
from openfaith_sync_tests.store.making import PCO, fetch

GRACE = OrgId("grace")
OWN, OTHER = AccountId("400001"), AccountId("400002")
OTHER_SEED = 2


@dataclass
class BoundChurch:
    """The church of seed 1; the church of seed 2 is the other one."""

    database: Database
    manifest: Manifest
    simulator: RunningSimulator

    def add(self, account: AccountId | None = OWN) -> None:
        """Do what the end of `org add` does."""
        credentials = BasicCredentials("demo", "demo")
        add_connection(self.database, Connection(GRACE, PCO, self.simulator.base_url, credentials, account=account))

    @property
    def connection(self) -> Connection:
        return load_connection(self.database, GRACE, PCO)

    @contextmanager
    def source(self) -> Iterator[RecordSource]:
        connection = self.connection
        with open_source(self.manifest, connection, watch(self.database, connection), attempts=1) as source:
            yield source

    def sync(self, entity: str, mode: SyncMode = SyncMode.AUTO) -> PassResult:
        with open_store(self.database, GRACE) as store, self.source() as source:
            return run_entity(Session(self.manifest, source, store, GRACE), EntityName(entity), mode)

    def drain(self) -> RecordsResult:
        with open_store(self.database, GRACE) as store, self.source() as source:
            return run_records(Session(self.manifest, source, store, GRACE, "test"))

    def receive(self, *events: InboxEvent) -> None:
        receive(self.database, GRACE, PCO, events)

    def verify(self) -> AccountId | None:
        return verify_connection(self.manifest, self.connection).account

    def rows(self) -> Any:
        """Return every record that is stored, with its content and tombstone."""
        columns = "entity, external_id, id, deleted_at, content_hash"
        return fetch(self.database, f"SELECT {columns} FROM ({RECORDS}) held ORDER BY 1, 2")
