"""A church whose source keeps a limit that a sync runs into, and all processes share what there is."""

from dataclasses import dataclass

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.engine.org_sync import run_org
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.sharer import PCO
from openfaith_sync_tests.store.making import fetch

ENTITIES = tuple(map(EntityName, ("campus", "household", "person", "address", "email", "phone_number")))


@dataclass(frozen=True)
class LimitedChurch:
    """One org of a simulator that others may have been read from."""

    database: Database
    manifest: Manifest
    simulator: RunningSimulator
    org: OrgId

    def sync(self) -> None:
        """Read everything, and have it succeed."""
        connection = Connection(self.org, PCO, self.simulator.base_url, BasicCredentials("demo", "demo"))
        with (
            open_session(self.database, self.manifest, connection, lane=Lane.BACKFILL, attempts=3) as session,
        ):
            outcomes = list(run_org(session, ENTITIES, {}, mode=SyncMode.FULL))
        assert [outcome.error for outcome in outcomes if outcome.error] == []

    def assert_holds_the_truth(self) -> None:
        for entity in ENTITIES:
            table = self.manifest.entities[entity].table
            held = fetch(
                self.database,
                f"SELECT external_id FROM openfaith.{table} WHERE org_id = %s AND type = %s AND deleted_at IS NULL",
                self.org,
                entity,
            )
            assert {row[0] for row in held} == self.simulator.truth(entity).keys(), entity

    def statuses(self) -> list[int]:
        return [request["status"] for request in self.simulator.requests()]
