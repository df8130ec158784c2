"""A church of a few people and addresses whose manifest has a mistake, and the same manifest corrected."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.errors import SourceFailed
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.passes.passes import PageCommit, PassStart, SyncMode
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.record import JsonObject, RawRecord
from openfaith_sync.engine.dead_letters.replay import Replay
from openfaith_sync.engine.passes.page_fetching import RecordMapper
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.org_connection import OnStep
from openfaith_sync.store.postgres_store import PostgresStore, open_store

EMAIL, MEMBER = EntityName("email"), EntityName("household_membership")
Body = dict[str, Any]


def email(number: int, second: int = 0, address: str | None = None, kind: str = "Person") -> Body:
    """Return an e-mail address as the source sends it; of a later second, a later version."""
    return {
        "type": "Email",
        "id": str(number),
        "attributes": {
            "address": address or f"{number}@example.org",
            "location": "Home",
            "primary": True,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": f"2026-01-01T00:00:{second:02}Z",
        },
        "relationships": {"person": {"data": {"type": kind, "id": "1"}}},
    }


def member(number: int, person: int) -> Body:
    """Return a membership of a household as the source sends it: without a version, and without its household."""
    return {
        "type": "HouseholdMembership",
        "id": str(number),
        "attributes": {"pending": False},
        "relationships": {"person": {"data": {"type": "Person", "id": str(person)}}},
    }


def altered(manifest: Manifest, entity: EntityName, **changed: object) -> Manifest:
    """Return the manifest with some keys of an entity changed."""
    part = manifest.entities[entity].model_copy(update=changed)
    return manifest.model_copy(update={"entities": {**manifest.entities, entity: part}})


def mistaken(manifest: Manifest) -> Manifest:
    """Return the manifest with a mistake: an e-mail address is said to belong to a Persona, which nothing is."""
    relationships = manifest.entities[EMAIL].relationships
    owner = relationships["person"].model_copy(update={"resource": "Persona"})
    return altered(manifest, EMAIL, relationships={**relationships, "person": owner})


@dataclass
class Down:
    """A source that answers nothing; what was kept of its records can be read all the same."""

    manifest: Manifest
    asked: int = 0

    def read_page(self, query: ListingQuery) -> Page:
        self.asked += 1
        raise SourceFailed(f"no answer about {query.entity}")

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        raise AssertionError(f"{entity} {external_id} of {parent} was asked for")

    def read_merges(self, query: ListingQuery) -> Page:
        raise AssertionError(f"merges were asked for: {query}")

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        raise AssertionError(f"an event was read: {entity} {parent} {len(payload)}")

    def parse_stored(self, entity: EntityName, body: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        return open_dialect(self.manifest).kept.parse_stored(entity, body, parent)


class Empty(Down):
    """A source that lists nothing."""

    def read_page(self, query: ListingQuery) -> Page:
        self.asked += 1
        return Page((), total_count=0, has_next=False)


@dataclass
class SetAside:
    """One org of a database."""

    database: Database
    org: OrgId
    manifest: Manifest
    """The corrected one."""
    entity: EntityName = EMAIL

    @property
    def key(self) -> SyncKey:
        return SyncKey(self.org, self.manifest.adapter, self.entity)

    def commit(self, *bodies: Body, manifest: Manifest | None = None, parent: str | None = None) -> None:
        """Commit these records as a page that a walk under this manifest read just now."""
        with self.open() as store:
            self.begin(store, *bodies, manifest=manifest, parent=parent)()

    def begin(
        self,
        store: PostgresStore,
        *bodies: Body,
        manifest: Manifest | None = None,
        parent: str | None = None,
        of: EntityName | None = None,
        changed: Callable[[PageCommit], PageCommit] = lambda page: page,
    ) -> Callable[[], None]:
        """Open a pass, as if these were read now; what is returned commits them.

        ``of`` is the entity of the pass's sync key: ``RECORDS`` if they are read by their ids.
        """
        read_with, key = manifest or self.manifest, replace(self.key, entity=of or self.entity)
        kept, under = open_dialect(read_with).kept, None if parent is None else ExternalId(parent)
        batch = RecordMapper(read_with, self.org)(
            self.entity, [kept.parse_stored(self.entity, body, under) for body in bodies]
        )
        start = PassStart(SyncMode.FULL, "test", read_with.entity_fingerprint(self.entity))
        with store.hold_lease(key, "a test") as lease:
            opened = store.open_pass(lease, start, WalkPlace(()))

        def commit() -> None:
            with store.hold_lease(key, "a test") as lease:
                store.commit_page(lease, changed(PageCommit(opened.pass_id, WalkPlace(()), (batch,))))
                store.close_pass(lease, opened.pass_id, None, 0)

        return commit

    def replay(self, store: PostgresStore, manifest: Manifest | None = None) -> Replay:
        manifest = manifest or self.manifest
        return Replay(manifest, open_dialect(manifest).kept, store, self.org)

    def open(self, on_step: OnStep | None = None) -> AbstractContextManager[PostgresStore]:
        return open_store(self.database, self.org, on_step)

    def rows(self) -> Mapping[str, tuple[Any, ...]]:
        """Return the live rows: by id the version and, of an address, the address."""
        table = self.manifest.entities[self.entity].record_table
        shown = "address" if self.entity == EMAIL else "person_id"
        with self.database.connect(self.org) as session:
            found = session.execute(
                f"SELECT external_id, {shown}, source_version FROM {table.quoted}"
                " WHERE org_id = %s AND type = %s AND deleted_at IS NULL".encode(),
                (self.org, self.entity),
            ).fetchall()
        return {identity: tuple(rest) for identity, *rest in found}

    def fetch(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.connect(self.org) as session:
            return session.execute(statement.encode()).fetchall()

    def waiting(self) -> set[str]:
        return {row[0] for row in self.fetch("SELECT external_id FROM sync.dead_letters WHERE resolved_at IS NULL")}
