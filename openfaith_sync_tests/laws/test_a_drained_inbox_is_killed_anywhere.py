"""Law 1 for single records: ended by SIGKILL before and after every statement, and run again, the rows are the same."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync_tests.laws.victim import Victims
from openfaith_sync_tests.ten_entities import MANIFESTS

SIGKILLED = -9
GRACE = OrgId("grace")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    settings = SimulatorSettings(people=30, rate=parse_rate("1000000/20"))
    with running_simulator(settings, read_manifest(MANIFESTS, "pco")) as running:
        yield running


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with Victims() as running:
        yield running


def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows, redirects and settled events, without the times of our own clock."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with psycopg.connect(database.libpq_url) as connection:
        for table in CANONICAL_TABLES:
            query = sql.SQL(
                "SELECT to_jsonb(t) - 'synced_at' - 'deleted_at', deleted_at IS NULL FROM openfaith.{} t ORDER BY id"
            )
            found[table] = connection.execute(query.format(sql.Identifier(table))).fetchall()
        found["redirects"] = connection.execute(
            "SELECT to_jsonb(t) - 'seen_at' FROM sync.redirects t ORDER BY entity, external_id"
        ).fetchall()
        found["events"] = connection.execute(
            "SELECT event_id, outcome, done_at IS NOT NULL FROM sync.webhook_events ORDER BY event_id"
        ).fetchall()
    return found


def event(action: EventAction, entity: str, number: str) -> InboxEvent:
    identity = f"{action}-{entity}-{number}"
    return InboxEvent(identity, identity, EntityName(entity), ExternalId(number), action, event_time=NOW)


def let_things_happen(simulator: RunningSimulator, database: Database) -> None:
    """Create, change, merge and delete people, and store their events out of order."""
    people = list(simulator.truth("person"))
    kept, removed, changed, gone, *_ = people
    emails = [mail.id for mail in simulator.truth("email").values() if mail.relationships["person"] not in people[:4]]
    created = simulator.create("person", {"first_name": "New"})
    simulator.change("person", changed, {"first_name": "Changed"})
    simulator.change("email", emails[0], {"address": "changed@example.org"})
    simulator.delete("email", emails[1])
    simulator.delete("person", gone)
    simulator.merge(kept, removed)
    told = [
        event(EventAction.DESTROYED, "person", removed),
        event(EventAction.DESTROYED, "person", gone),
        event(EventAction.MERGED, "person", removed),
        event(EventAction.UPDATED, "person", changed),
        event(EventAction.CREATED, "person", created),
        event(EventAction.UPDATED, "email", emails[0]),
        event(EventAction.DESTROYED, "email", emails[1]),
    ]
    assert receive(database, GRACE, AdapterName("pco"), told) == len(told)


def copy_of(database: Database, name: str) -> Database:
    """Return a database of this name that begins as the given one is now."""
    with psycopg.connect(database.url.with_database("postgres").libpq, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        original = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(database.url.libpq)["dbname"]))
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        connection.execute(copy.format(sql.Identifier(name), original))
    return Database(DatabaseUrl.parse(database.url.libpq).with_database(name), database.keys)


def test_killed_before_and_after_every_statement(
    simulator: RunningSimulator, victims: Victims, database: Database, tmp_path: Path
) -> None:
    job = {"org": GRACE, "base_url": simulator.base_url, "database_url": database.libpq_url, "home": str(tmp_path)}
    assert victims.run(job)["status"] == 0
    let_things_happen(simulator, database)

    def drain(copy: Database, **more: Any) -> dict[str, Any]:
        done: dict[str, Any] = victims.run({**job, "drain": True, "database_url": copy.libpq_url, **more})
        return done

    whole = copy_of(database, "drained_whole")
    steps = drain(whole)["steps"]
    expected = rows(whole)
    assert all(done for _, _, done in expected["events"])
    # The merge asks for the kept record to be read, in a batch of its own.
    assert steps > 15
    for kill_at in range(1, steps + 1):
        copy = copy_of(database, "drained_twice")
        assert drain(copy, kill_at=kill_at)["status"] == SIGKILLED
        assert drain(copy)["status"] == 0
        assert rows(copy) == expected, f"killed at step {kill_at}"
    truth = simulator.truth("person")
    with psycopg.connect(database.url.with_database("drained_whole").libpq) as connection:
        live = connection.execute("SELECT external_id FROM openfaith.people WHERE deleted_at IS NULL").fetchall()
    assert {row[0] for row in live} == truth.keys()
