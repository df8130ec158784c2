"""Makes records, pages and walks for the store's tests."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId, SyncKey, derive_entity_id
from openfaith_sync.domain.passes.passes import Counts, Lease, OpenPass, PageCommit, PassId, PassStart, Rider, SyncMode
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.domain.records.record import MappedBatch, Record, Rejection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.org_connection import OnStep
from openfaith_sync.store.postgres_store import PostgresStore, open_store

ORG = OrgId("first-baptist")
OTHER_ORG = OrgId("second-baptist")
PCO = AdapterName("pco")
EMAIL = EntityName("email")
PERSON = EntityName("person")
EMAILS = SyncKey(ORG, PCO, EMAIL)
PEOPLE = SyncKey(ORG, PCO, PERSON)
TABLES = {EMAIL: CANONICAL_TABLES["emails"], PERSON: CANONICAL_TABLES["people"]}
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
FULL = PassStart(mode=SyncMode.FULL, trigger="test", manifest_version="m1")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def email(
    external_id: str, address: str | None = "anna@example.org", version: datetime | None = NOON, org: OrgId = ORG
) -> Record:
    """Return an e-mail address as a record; its hash covers the address only, so versions can differ alone."""
    person = derive_entity_id(org, PCO, PERSON, "1")
    return Record(
        external_id=ExternalId(external_id),
        entity_id=derive_entity_id(org, PCO, EMAIL, external_id),
        version=version,
        values=(person, address, "Home", True, False, "active", NOON, version, None),
        custom_fields=b'{"pco_kind":"x"}',
        content_hash=hashlib.blake2b(repr(address).encode(errors="replace"), digest_size=16).digest(),
    )


def person(external_id: str, name: str | None = "Anna", version: datetime | None = NOON, org: OrgId = ORG) -> Record:
    """Return a person as a record; their hash covers the name only, so versions can differ alone."""
    own = {"name": name, "status": "active", "created_at": NOON, "updated_at": version}
    return Record(
        external_id=ExternalId(external_id),
        entity_id=derive_entity_id(org, PCO, PERSON, external_id),
        version=version,
        values=tuple(own.get(column.name) for column in TABLES[PERSON].columns),
        custom_fields=b"{}",
        content_hash=hashlib.blake2b(repr(name).encode(errors="replace"), digest_size=16).digest(),
    )


def rejection(external_id: str, reason: str = "expected a date") -> Rejection:
    return Rejection(ExternalId(external_id), "created_at", "string", reason, {"id": external_id, "type": "Email"})


def batch(records: Iterable[Record], rejected: Iterable[Rejection] = (), entity: EntityName = EMAIL) -> MappedBatch:
    return MappedBatch(entity, tuple(records), tuple(rejected), TABLES[entity])


def riders(*entities: EntityName, watermark: datetime | None = None) -> PassStart:
    """Return the start of a full pass of people with children riding along."""
    along = tuple(Rider(entity, watermark, f"{entity}-m1") for entity in entities)
    return PassStart(mode=SyncMode.FULL, trigger="test", manifest_version="m1", riders=along)


@dataclass
class Walk:
    """One lease and one open pass of a key."""

    store: PostgresStore
    lease: Lease
    opened: OpenPass

    def commit(
        self, *batches: MappedBatch, place: WalkPlace | None = None, requests: int = 1
    ) -> Mapping[EntityName, Counts]:
        return self.store.commit_page(self.lease, self.page(*batches, place=place, requests=requests))

    def page(self, *batches: MappedBatch, place: WalkPlace | None = None, requests: int = 1) -> PageCommit:
        reached = place or WalkPlace((Slice(offset=1),))
        return PageCommit(self.opened.pass_id, reached, batches, requests, timedelta(seconds=2))

    def close(self, watermark: datetime | None = None, requests: int = 0, pass_id: PassId | None = None) -> None:
        self.store.close_pass(self.lease, pass_id or self.opened.pass_id, watermark, requests)


@contextmanager
def walking(
    database: Database, key: SyncKey = EMAILS, start: PassStart = FULL, on_step: OnStep | None = None
) -> Iterator[Walk]:
    """Hold the lease of a key and open a pass, over a connection of its own."""
    with open_store(database, key.org, on_step) as store, store.hold_lease(key, "a test") as lease:
        yield Walk(store, lease, store.open_pass(lease, start, WalkPlace()))


def fetch(database: Database, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with database.connect_fleet() as connection:
        return connection.execute(statement.encode(), parameters).fetchall()


def run(database: Database, statement: str, *parameters: object) -> None:
    with database.connect_fleet() as connection:
        connection.execute(statement.encode(), parameters)
