"""One org whose inbox is filled and drained by hand, over a connection that all cases share."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.webhooks.inbox import InboxEvent, RecordsResult
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import receive_on
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.postgres_store import PostgresStore
from openfaith_sync_tests.engine.moving_church import EagerThreads
from openfaith_sync_tests.laws.known_history import EMAIL, MEMBERSHIP, PERSON, KnownHistory, State
from openfaith_sync_tests.laws.one_connection import OneConnection, one_connection

MOST_LOOKS = 8
_TABLES = {PERSON: ("people", "name", None), EMAIL: ("emails", "address", "person_id")}
_TABLES[MEMBERSHIP] = ("group_memberships", "role", "person_id")
_numbers = itertools.count()


@dataclass
class Case:
    """One org of its own."""

    manifest: Manifest
    shared: OneConnection
    source: KnownHistory
    org: OrgId

    @property
    def connection(self) -> Connection:
        """The connection that all cases share, let into this one's org."""
        return self.shared.within(self.org)

    @property
    def store(self) -> PostgresStore:
        return self.shared.store(self.org)

    @property
    def session(self) -> Session:
        return Session(self.manifest, self.source, self.store, self.org, "test", threads=EagerThreads)

    def receive(self, *events: InboxEvent) -> int:
        return receive_on(self.connection, self.org, self.manifest.adapter, events)

    def drain(self, **more: Any) -> RecordsResult:
        return run_records(self.session, **more)

    def poll(self, entity: EntityName = PERSON, mode: SyncMode = SyncMode.AUTO) -> PassResult:
        return run_entity(self.session, entity, mode)

    def let_time_pass(self) -> None:
        self.run("UPDATE sync.webhook_events SET not_before = now() WHERE org_id = %s AND done_at IS NULL")

    def drain_until_nothing_waits(self) -> None:
        for _ in range(MOST_LOOKS):
            if not self.drain().waiting:
                return
            self.let_time_pass()
        raise AssertionError(f"events wait for ever: {self.events()}")

    def run(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        found = self.connection.execute(statement.encode(), (self.org, *parameters))
        return found.fetchall() if found.description else []

    def events(self) -> list[tuple[Any, ...]]:
        return self.run(
            "SELECT event_id, done_at IS NOT NULL, outcome, attempts FROM sync.webhook_events"
            " WHERE org_id = %s ORDER BY event_id"
        )

    def outcomes(self) -> dict[str, str]:
        return {event_id: outcome for event_id, is_done, outcome, _ in self.events() if is_done}

    def live(self, entity: EntityName) -> dict[str, tuple[Any, ...]]:
        """Return what lives here by external id: a column, and whom it refers to by external id."""
        table, column, reference = _TABLES[entity]
        owner = (
            "(SELECT string_agg(o.external_id, ',') FROM openfaith.people o WHERE o.org_id = t.org_id"
            f" AND o.type = 'person' AND o.id = t.{reference} AND o.merged_into_id IS NULL)"
            if reference
            else "NULL"
        )
        rows = self.run(
            f"SELECT t.external_id, t.{column}, {owner} FROM openfaith.{table} t"
            " WHERE t.org_id = %s AND t.type = %s AND t.deleted_at IS NULL",
            entity,
        )
        count = self.run(f"SELECT count(*) FROM openfaith.{table} WHERE org_id = %s AND deleted_at IS NULL")[0][0]
        assert count == len(rows), "a row lives as a record of another entity"
        return {row[0]: row[1:] for row in rows}

    def assert_holds(self, state: State) -> None:
        assert self.live(PERSON) == {
            number: (body["attributes"]["name"], None)
            for (entity, number), body in state.records.items()
            if entity == PERSON
        }
        assert self.live(EMAIL) == {
            number: (body["attributes"]["address"], body["relationships"]["person"]["data"]["id"])
            for (entity, number), body in state.records.items()
            if entity == EMAIL
        }


@dataclass
class Cases:
    """Makes cases."""

    manifest: Manifest
    connection: OneConnection

    def of(self, *states: State, reached: int = 0) -> Case:
        source = KnownHistory(self.manifest, states, reached)
        return Case(self.manifest, self.connection, source, OrgId(f"case-{next(_numbers)}"))


@contextmanager
def open_cases(database: Database, manifest: Manifest) -> Iterator[Cases]:
    with one_connection(database) as connection:
        yield Cases(manifest, connection)
