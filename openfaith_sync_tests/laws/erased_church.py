"""A church with one person of whom everything is marked, and a search for the marks in all that is stored."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from click.testing import CliRunner, Result
from psycopg import sql

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.cli import main
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import EntityId, EntityName, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.attribute import AttributeType
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.webhooks.inbox import RecordsResult
from openfaith_sync.engine.org_sync import run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import PostgresStore, open_store
from openfaith_sync_tests.conftest import SECRET_KEY

GRACE = OrgId("grace")
PERSON, HOUSEHOLD, EMAIL, NOTE = map(EntityName, ("person", "household", "email", "note"))
MARK = "mark-of"
# PostgreSQL's statistics hold samples of values; its other catalogues hold none.
_TABLES = """
SELECT schemaname, tablename FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
   OR (schemaname, tablename) IN (('pg_catalog', 'pg_statistic'), ('pg_catalog', 'pg_statistic_ext_data'))
"""


@dataclass
class ErasedChurch:
    """The church, and the environment of its commands."""

    database: Database
    manifest: Manifest
    root: Path
    simulator: RunningSimulator
    home: Path
    outputs: list[str] = field(default_factory=list)
    """What the commands printed."""

    def connect(self) -> None:
        credentials = BasicCredentials("demo", "demo")
        connection = Connection(GRACE, self.manifest.adapter, self.simulator.base_url, credentials)
        add_connection(self.database, connection)

    @contextmanager
    def session(self) -> Iterator[Session]:
        credentials = BasicCredentials("demo", "demo")
        connection = Connection(GRACE, self.manifest.adapter, self.simulator.base_url, credentials)
        with (
            open_store(self.database, GRACE) as store,
            open_source(self.manifest, connection, attempts=1) as source,
        ):
            yield Session(self.manifest, source, store, GRACE)

    def sync(self, mode: SyncMode = SyncMode.AUTO) -> dict[EntityName, PassResult]:
        """Sync every entity in the order of the dependencies."""
        with self.session() as session:
            ranks = self.manifest.graph.ranks
            outcomes = list(run_org(session, sorted(ranks, key=lambda name: ranks[name]), {}, mode=mode))
        assert not [outcome.error for outcome in outcomes if outcome.error]
        return {outcome.entity: outcome.result for outcome in outcomes if outcome.result}

    def drain(self) -> RecordsResult:
        with self.session() as session:
            return run_records(session)

    @contextmanager
    def store(self) -> Iterator[PostgresStore]:
        with open_store(self.database, GRACE) as store:
            yield store

    def run(self, *words: str, **environment: str) -> Result:
        own = {
            "OPENFAITH_HOME": str(self.home),
            "OPENFAITH_MANIFESTS": str(self.root),
            "OPENFAITH_DATABASE_URL": self.database.libpq_url,
            "OPENFAITH_SECRET_KEYS": SECRET_KEY,
            "DAGSTER_HOME": str(self.home),
        }
        done = CliRunner().invoke(main, words, env=own | environment)
        self.outputs.append(done.output)
        return done

    def id_of(self, entity: EntityName, external_id: str) -> EntityId:
        return derive_entity_id(GRACE, self.manifest.adapter, entity, external_id)

    def mark(self, entity: EntityName, external_id: str, what: str) -> None:
        """Write a mark into every attribute of a record that holds any text."""
        kinds = self.manifest.entities[entity].attributes
        free = [name for name, part in kinds.items() if part.type is AttributeType.STRING and part.parse is None]
        marks = {name: f"{MARK} {what} {entity} {name}" for name in free if name != "country_code"}
        json_marks = {
            name: {"deep": [f"{MARK} {what} {entity} {name}"]}
            for name, part in kinds.items()
            if part.type is AttributeType.JSON and not part.sparse
        }
        self.simulator.change(entity, external_id, marks | json_marks)

    def belongings(self, person: str) -> dict[EntityName, list[str]]:
        """Return what refers to a person as its own, at the source, by entity."""
        return {
            name: found
            for name, entity in self.manifest.entities.items()
            if "person" in entity.relationships and entity.relationships["person"].cardinality == "one"
            for found in [
                [key for key, record in self.simulator.truth(name).items() if record.relationships["person"] == person]
            ]
            if found
        }

    def found(self) -> dict[str, set[str]]:
        """Return the marks that are found, by table: in all tables of the database, and in the files of the home."""
        found: dict[str, set[str]] = {}
        with psycopg.connect(self.database.libpq_url) as connection:
            connection.execute("SET bytea_output = 'escape'")
            for name in connection.execute(_TABLES).fetchall():
                query = sql.SQL("SELECT t::text FROM {} t WHERE t::text LIKE %s").format(sql.Identifier(*name))
                rows = connection.execute(query, (f"%{MARK}%",)).fetchall()
                found[".".join(name)] = set(_marks(row[0] for row in rows))
        for path in self.home.rglob("*"):
            if path.is_file():
                found[f"file {path.name}"] = set(_marks([path.read_bytes().decode(errors="replace")]))
        found["what the commands printed"] = set(_marks(self.outputs))
        return {place: marks for place, marks in found.items() if marks}

    def analyze(self) -> None:
        with psycopg.connect(self.database.libpq_url, autocommit=True) as connection:
            connection.execute("ANALYZE")

    def insert(self, table: str, **values: Any) -> None:
        """Insert one row of the bookkeeping."""
        given = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier("sync", table),
            sql.SQL(", ").join(map(sql.Identifier, given)),
            sql.SQL(", ").join(map(sql.Placeholder, given)),
        )
        with psycopg.connect(self.database.libpq_url, autocommit=True) as connection:
            connection.execute(statement, given)


def _marks(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for rest in text.split(MARK)[1:]:
            yield MARK + rest[:50]
