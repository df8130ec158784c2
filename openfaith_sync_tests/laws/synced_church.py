"""A church that was synced once, and what may stand between it and the engine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.errors import AccessDenied
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.passes.passes import COMPARE_ALL, Comparison, PassResult, SyncMode
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.ports.source import Source
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.altered_source import AlteredSource
from openfaith_sync_tests.store.making import fetch, run

GRACE = OrgId("grace")
PERSON = EntityName("person")
EMAIL = EntityName("email")
PHONE = EntityName("phone_number")
CAMPUS = EntityName("campus")
GROUP = EntityName("group")
PEOPLE = 240


def set_limits(database: Database) -> None:
    """Set the deletion limits that the numbers in these tests assume, whatever the default is."""
    set_org(database, GRACE, deletion_count=10, deletion_share=0.1)


@dataclass
class Synced:
    """A church that was synced once, and what stands between it and the engine."""

    database: Database
    manifest: Manifest
    simulator: RunningSimulator
    between: Callable[[Source], Source] = lambda source: source

    def sync(
        self,
        entity: EntityName,
        mode: SyncMode = SyncMode.RECONCILIATION,
        comparison: Comparison = COMPARE_ALL,
    ) -> PassResult:
        connection = Connection(GRACE, self.manifest.adapter, self.simulator.base_url, BasicCredentials("demo", "demo"))
        with (
            open_store(self.database, GRACE) as store,
            open_source(self.manifest, connection, attempts=1) as source,
        ):
            session = Session(self.manifest, self.between(source), store, GRACE)
            return run_entity(session, entity, mode, comparison=comparison)

    def live(self, entity: EntityName) -> set[str]:
        table = self.manifest.entities[entity].table
        return {
            row[0]
            for row in fetch(
                self.database,
                f"SELECT external_id FROM openfaith.{table} WHERE type = %s AND deleted_at IS NULL",
                entity,
            )
        }

    def truth(self, entity: EntityName) -> set[str]:
        return set(self.simulator.truth(entity))

    def delete(self, entity: EntityName, count: int) -> list[str]:
        gone = sorted(self.truth(entity), key=int)[: 2 * count : 2]
        for identity in gone:
            self.simulator.delete(entity, identity)
        return gone

    def let_a_day_pass(self) -> None:
        """Move all deletions so far back by a day."""
        for table in {entity.table for entity in self.manifest.entities.values()}:
            run(self.database, f"UPDATE openfaith.{table} SET deleted_at = deleted_at - interval '1 day'")

    def candidates(self) -> int:
        return int(fetch(self.database, "SELECT count(*) FROM sync.deletion_candidates")[0][0])


@contextmanager
def running(manifest: Manifest, people: int = PEOPLE) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=people, rate=parse_rate("1000000/20")), manifest) as simulator:
        yield simulator


@dataclass
class Hiding(AlteredSource):
    """A source that shows less than there is, from some request on; lists stay whole and counted."""

    hidden: set[str]
    after: int = 0
    answers: str = "denied"
    """What reading a hidden record by its id gives: denied, gone or alive."""
    asked: int = field(default=0)

    def read_page(self, query: ListingQuery) -> Page:
        self.asked += 1
        if self.asked <= self.after:
            return self.inner.read_page(query)
        rows: list[Any] = []
        while True:
            page = self.inner.read_page(replace(query, offset=len(rows), size=100))
            rows += page.records
            if not page.has_next:
                break
        shown = [row for row in rows if row.external_id not in self.hidden]
        end = query.offset + (query.size or 100)
        return Page(tuple(shown[query.offset : end]), total_count=len(shown), has_next=end < len(shown))

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        if external_id not in self.hidden or self.answers == "alive":
            return self.inner.read_record(entity, external_id, parent, ancestors)
        if self.answers == "denied":
            raise AccessDenied("the token's user may not read this")
        return None


@dataclass
class CuttingShort(AlteredSource):
    """A source whose listings end after so many records, as if that were all."""

    end: int

    def read_page(self, query: ListingQuery) -> Page:
        page = self.inner.read_page(query)
        if query.size == 1 or query.offset + len(page.records) < self.end:
            return page
        kept = page.records[: max(0, self.end - query.offset)]
        return replace(page, records=kept, total_count=query.offset + len(kept), has_next=False)
