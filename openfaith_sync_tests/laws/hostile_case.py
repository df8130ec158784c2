"""One org that is synced from a hostile church, and what must be true of it whatever the source does."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg

from openfaith_sync.adapters.client.auth import Authorization
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.pco.webhooks import WebhookReader
from openfaith_sync.adapters.dialects.port import RecordSource
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.connections.connection import BasicCredentials
from openfaith_sync.domain.connections.connection import Connection as OrgConnection
from openfaith_sync.domain.errors import MalformedAnswer, MostlyRejected
from openfaith_sync.domain.ids import EntityName, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.delivery import Delivery
from openfaith_sync.engine.org_sync import EntityOutcome, run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.event_resolution import EARLY_WAITS
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import receive_on
from openfaith_sync.store.inbox.unreadable_events import keep_unreadable_on
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.adapters.clients import guarded
from openfaith_sync_tests.laws.faulty_church import with_pages_of
from openfaith_sync_tests.laws.hostile_church import NOW, HostileChurch, Record, serving

ENTITIES = {"Person": "person", "Address": "address", "Email": "email", "PhoneNumber": "phone_number"}
ORDER = tuple(EntityName(entity) for entity in ENTITIES.values())
COLUMNS = {
    "Person": ("first_name", "last_name", "nickname", "status", "birthdate", "membership", "created_at", "updated_at"),
    "Address": ("city", "country_code", "location", "primary", "created_at", "updated_at"),
    "Email": ("address", "location", "primary", "blocked", "created_at", "updated_at"),
    "PhoneNumber": ("country_code", "location", "primary", "created_at", "updated_at"),
}
"""Attributes that fill the column of the same name just as they come."""
REFERENCES = {
    "Person": ("primary_campus", "campus"),
    **dict.fromkeys(("Address", "Email", "PhoneNumber"), ("person",) * 2),
}
PAGE = 4
_numbers = itertools.count()

Row = dict[str, Any]


@dataclass
class HostileCase:
    """One org, and its church."""

    database: Database
    looking: Connection
    """One that only looks at what a sync left behind."""
    manifest: Manifest
    church: HostileChurch
    org: OrgId

    @contextmanager
    def _source(self) -> Iterator[RecordSource]:
        connection = OrgConnection(self.org, self.manifest.adapter, self.church.base_url, BasicCredentials("a", "b"))
        adapter = self.manifest.adapter_file
        with HttpClient(
            connection.base_url,
            Authorization(connection),
            adapter,
            attempts=2,
            pause=lambda _: None,
            **guarded(self.manifest),
        ) as client:
            yield open_dialect(self.manifest).open_source(client)

    def sync(self, mode: SyncMode = SyncMode.FULL) -> list[EntityOutcome]:
        """Sync all entities, each request tried twice."""
        with self._source() as source, open_store(self.database, self.org) as store:
            return list(run_org(Session(self.manifest, source, store, self.org), ORDER, {}, mode=mode))

    def drain(self) -> None:
        """Settle all events, those as well that are looked at again; what cannot be read still waits."""
        with self._source() as source, open_store(self.database, self.org) as store:
            run_records(Session(self.manifest, source, store, self.org, "test"))
            for _ in EARLY_WAITS:
                self.looking.execute("UPDATE sync.webhook_events SET not_before = now() WHERE done_at IS NULL")
                # Those that are left are the damaged ones: it may well fail that they are most of what is read.
                with suppress(MostlyRejected, MalformedAnswer):
                    run_records(Session(self.manifest, source, store, self.org, "test"))

    def deliver(self, body: bytes) -> Delivery:
        """Store a webhook delivery as the receiver does."""
        delivery = self._reader.read_delivery({}, body)
        with self.database.connect(self.org) as connection:
            receive_on(connection, self.org, self.manifest.adapter, delivery.events)
            if delivery.unreadable:
                keep_unreadable_on(connection, self.org, self.manifest.adapter, delivery.unreadable)
        return delivery

    @cached_property
    def _reader(self) -> WebhookReader:
        return WebhookReader(self.manifest)

    # What is there.

    def rows(self, kind: str) -> dict[str, Row]:
        """Return the live rows by external id."""
        return self._rows(kind, "NULL")

    def buried(self) -> set[Record]:
        """Return every record that has a tombstone."""
        return {(kind, number) for kind in ENTITIES for number in self._rows(kind, "NOT NULL")}

    def _rows(self, kind: str, deleted: str) -> dict[str, Row]:
        table = self.manifest.entities[EntityName(ENTITIES[kind])].table
        found = self._find(
            f"SELECT external_id, to_jsonb(held) FROM openfaith.{table} held"
            f" WHERE org_id = %s AND type = %s AND deleted_at IS {deleted}",
            ENTITIES[kind],
        )
        return dict(found)

    def dead_letters(self) -> set[tuple[str, str]]:
        """Return entity and external id of each record that is set aside."""
        return set(
            self._find("SELECT entity, external_id FROM sync.dead_letters WHERE org_id = %s AND resolved_at IS NULL")
        )

    def outcomes(self) -> dict[str, str]:
        """Return what became of each settled event."""
        return dict(
            self._find("SELECT event_id, outcome FROM sync.webhook_events WHERE org_id = %s AND done_at IS NOT NULL")
        )

    def reported(self, name: str) -> int:
        """Return how often all passes together report this."""
        found = self._find("SELECT coalesce(sum((report->>%s)::int), 0) FROM sync.passes WHERE org_id = %s", name)
        return int(found[0][0])

    def _find(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        ordered = (*parameters, self.org) if "->>%s" in statement else (self.org, *parameters)
        return self.looking.execute(statement.encode(), ordered).fetchall()

    # What must be true.

    def wrong(self, ignoring: Iterable[Record] = ()) -> dict[Record, str]:
        """Return what differs from the source, these records aside."""
        ignored, found = set(ignoring), dict[Record, str]()
        for kind in ENTITIES:
            rows = self.rows(kind)
            found |= {(kind, number): "is no record of the source" for number in rows.keys() - self.church.ids(kind)}
            for number in self.church.ids(kind):
                record = (kind, number)
                if number not in rows:
                    found[record] = "is missing"
                elif wrong := self._wrong_columns(record, rows[number]):
                    found[record] = f"has other values in {wrong}"
        return {record: why for record, why in found.items() if record not in ignored}

    def _wrong_columns(self, record: Record, row: Row) -> list[str]:
        kind, resource = record[0], self.church.records[record]
        wrong = [name for name in COLUMNS[kind] if not _is_same(row[name], resource["attributes"].get(name))]
        relationship, entity = REFERENCES[kind]
        linked = resource["relationships"][relationship]["data"]["id"]
        wanted = derive_entity_id(self.org, self.manifest.adapter, EntityName(entity), linked)
        return wrong if row[f"{relationship}_id"] == wanted else [*wrong, relationship]

    def assert_safe(self, outcomes: Sequence[EntityOutcome] = ()) -> None:
        """Nothing that lives is buried, no watermark passes the source's clock, nothing incomplete is complete."""
        alive = self.buried() & self.church.records.keys()
        assert not alive, f"buried alive: {alive}"
        marks = self._find("SELECT entity, watermark FROM sync.checkpoints WHERE org_id = %s AND watermark > %s", NOW)
        assert not marks or "date" in self.church.frame.headers, f"watermarks past the source's own clock: {marks}"
        for outcome in outcomes:
            self._assert_counted(outcome)

    def _assert_counted(self, outcome: EntityOutcome) -> None:
        """A sync that succeeded has all that the source has, stored or set aside, or says what is missing."""
        if outcome.result is None:
            return
        kind = next(kind for kind, entity in ENTITIES.items() if entity == outcome.entity)
        set_aside = sum(entity == outcome.entity for entity, _ in self.dead_letters())
        lacking = len(self.church.ids(kind)) - len(self.rows(kind)) - set_aside
        said = {"counted_but_not_listed", "unreadable", "missing", "places_stepped_over"} & outcome.result.report.keys()
        assert lacking <= 0 or said, f"{outcome.entity} succeeded without {lacking} records: {outcome.result}"

    def assert_heals(self, *, is_held_newer: bool = False) -> None:
        """Once the source is well, one full sync ends in its rows, and nothing is set aside.

        What is held in a newer version than the source shows takes two reconciliations that agree (law 2).
        """
        self.church.heal()
        modes = [SyncMode.RECONCILIATION] * 2 if is_held_newer else []
        for mode in (SyncMode.FULL, *modes):
            failed = [f"{outcome.entity}: {outcome.error!r}" for outcome in self.sync(mode) if outcome.error]
            assert not failed, failed
            self.looking.execute("UPDATE sync.older_versions SET agreed_at = agreed_at - interval '1 day'")
        self.assert_safe()
        assert self.wrong() == {}
        assert self.dead_letters() == set()


def _is_same(held: Any, sent: object) -> bool:
    if isinstance(held, str) and isinstance(sent, str) and held.endswith("+00:00"):
        return datetime.fromisoformat(held) == datetime.fromisoformat(sent)
    return bool(held == sent)


class HostileCases:
    """Makes cases that share a database. No dataclass, since Hypothesis would print all that it holds."""

    def __init__(self, database: Database, looking: Connection, manifest: Manifest) -> None:
        self.database, self.looking, self.manifest = database, looking, manifest

    @contextmanager
    def of(self, church: HostileChurch, page: int = PAGE) -> Iterator[HostileCase]:
        """Serve a church to an org of its own, in pages of so many records."""
        org, manifest = OrgId(f"hostile-{next(_numbers)}"), with_pages_of(self.manifest, page)
        with serving(church):
            yield HostileCase(self.database, self.looking, manifest, church, org)


@contextmanager
def open_hostile_cases(database: Database, manifest: Manifest) -> Iterator[HostileCases]:
    """Yield a maker of cases."""
    with psycopg.connect(database.libpq_url, autocommit=True) as looking:
        yield HostileCases(database, looking, manifest)
