"""`dagster asset materialize` on a bare machine: a real process, a real PostgreSQL, a simulated church."""

import re

import dagster as dg
import pandas as pd
import pytest

from openfaith_sync.defs.assets.preview import PREVIEW_ROWS
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.frame_io_manager import FRAMES, CanonicalFrameIOManager
from openfaith_sync.defs.resources.partitions import org_partitions, register_org
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import open_database
from openfaith_sync_tests.defs.conftest import PEOPLE, Deployment, metadata_of, open_instance
from openfaith_sync_tests.store.making import fetch


@pytest.fixture(scope="module")
def synced(deployment: Deployment, church: RunningSimulator) -> OrgId:
    """An org whose every asset was materialized by a process of Dagster's own."""
    org = deployment.add_org("grace", church)
    answer = deployment.materialize("*", org)
    assert answer.returncode == 0, answer.stderr[-3000:]
    return org


def test_every_entity_of_the_org_is_stored(deployment: Deployment, synced: OrgId, pco_manifest: Manifest) -> None:
    database = open_database(deployment.settings)
    for entity in pco_manifest.entities.values():
        query = f"SELECT count(*) FROM openfaith.{entity.table} WHERE org_id = '{synced}'"
        assert run_query(database, query).rows[0][0] > 0, entity.name
    assert run_query(database, "SELECT count(*) FROM openfaith.people").rows[0][0] >= PEOPLE


def test_the_history_holds_what_a_person_asks_for(deployment: Deployment, synced: OrgId) -> None:
    told = {name: value.value for name, value in metadata_of(deployment, synced, "person").items()}
    stored = told["stored_count"]
    assert stored == told["source_count"] == told["created"] == told["dagster/partition_row_count"]
    assert (told["mode"], told["resumed"], told["updated"], told["unchanged"], told["dead_letters"]) == (
        "full", False, 0, 0, 0,
    )  # fmt: skip
    assert {"pages", "requests", "seconds", "watermark"} <= set(told)


def test_the_preview_shows_rows_and_nobody(deployment: Deployment, synced: OrgId) -> None:
    preview = metadata_of(deployment, synced, "person")["preview"].value
    header, _, *rows = preview.splitlines()
    assert len(rows) == PREVIEW_ROWS
    database = open_database(deployment.settings)
    names = run_query(database, "SELECT first_name, last_name FROM openfaith.people").rows
    assert "id" in header.split()
    assert not [value for row in names for value in row if value and f" {value} " in preview]


def test_dagster_stores_nothing_personal(deployment: Deployment, synced: OrgId) -> None:
    """What is erased here is not left there: no table of Dagster's holds an address of anybody."""
    database = open_database(deployment.settings)
    addresses = "SELECT address FROM openfaith.emails WHERE address IS NOT NULL"
    assert run_query(database, f"SELECT count(*) > 50 FROM ({addresses}) held").rows[0][0]
    for (table,) in fetch(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'dagster'"):
        query = (
            f'SELECT count(*) FROM dagster."{table}" held, ({addresses}) known WHERE strpos(held::text, address) > 0'
        )
        assert fetch(database, query) == [(0,)], table


def test_dagster_keeps_its_tables_in_a_schema_of_their_own(deployment: Deployment, synced: OrgId) -> None:
    query = "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name IN ('runs', 'event_logs')"
    assert fetch(open_database(deployment.settings), query) == [("dagster",)]


def test_nothing_is_written_beside_the_home(deployment: Deployment, synced: OrgId) -> None:
    left = {path.name for path in deployment.folder.iterdir()}
    assert left <= {"dagster.yaml", "workspace.yaml", ".openfaith", "dev.log", "logs", ".logs_queue"}


def test_an_adapter_that_the_org_is_not_connected_to_is_not_available(deployment: Deployment, synced: OrgId) -> None:
    key = dg.AssetKey(["breeze", "person"])
    with open_instance(deployment) as instance:
        reasons = [
            record.asset_observation.metadata["reason"].value
            for record in instance.fetch_observations(key, limit=10).records
            if record.asset_observation is not None
        ]
        assert not instance.fetch_materializations(key, limit=1).records
    assert reasons == [
        "grace is not connected to breeze; connect it with: openfaith-sync org add grace --adapter breeze"
    ]


def test_an_org_without_a_connection_fails_in_one_clear_line(deployment: Deployment, synced: OrgId) -> None:
    with open_instance(deployment) as instance:
        register_org(instance, OrgId("stranger"))
    answer = deployment.materialize("pco/campus", "stranger")
    assert answer.returncode != 0
    assert re.search(
        r"stranger is not connected to pco; connect it with: openfaith-sync org add stranger", answer.stderr
    )
    assert "STEP_UP_FOR_RETRY" not in answer.stderr


@pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")  # its own, on nested resources
def test_a_downstream_asset_gets_a_typed_frame(
    deployment: Deployment, synced: OrgId, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[pd.DataFrame] = []

    @dg.asset(ins={"people": dg.AssetIn(key=["pco", "person"])}, partitions_def=org_partitions)
    def headcount(people: pd.DataFrame) -> dg.MaterializeResult[None]:
        seen.append(people)
        return dg.MaterializeResult(metadata={"people": len(people)})

    database = DatabaseResource(home=str(deployment.settings.home))
    person = dg.AssetSpec(["pco", "person"], partitions_def=org_partitions, metadata={"dagster/io_manager_key": FRAMES})
    with dg.DagsterInstance.ephemeral() as instance:
        register_org(instance, synced)
        result = dg.materialize(
            [person, headcount],
            selection=[headcount],
            resources={FRAMES: CanonicalFrameIOManager(database=database)},
            partition_key=synced,
            instance=instance,
        )
    assert result.success
    [people] = seen
    assert len(people) >= PEOPLE
    assert str(people["birthdate"].dtype).startswith("datetime64")
    assert "UTC" in str(people["updated_at"].dtype)
    assert people["id"].str.startswith("person_").all()
    assert "deleted_at" not in people or people["deleted_at"].isna().all()
