"""Every kind of fault, at every request of a sync of every entity: rows right in the end, and nothing buried alive."""

import itertools
from collections.abc import Iterator
from typing import get_args

import pytest

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.simulator.settings.faults import Fault, FaultKind
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync_tests.laws.faulty_church import BOUNDS, HASTY, NAMES, UNITS, Faulty, with_pages_of
from openfaith_sync_tests.laws.one_connection import OneConnection, one_connection
from openfaith_sync_tests.laws.synced_church import running

pytestmark = pytest.mark.long

PEOPLE, PAGE = 4, 3
FAULTS = {
    "500": Fault(kind="status", status=500),
    "401": Fault(kind="status", status=401),
    "403": Fault(kind="status", status=403),
    "404": Fault(kind="status", status=404),
    "429": Fault(kind="status", status=429, retry_after=0),
    "html_200": Fault(kind="html_200"),
    "truncated_json": Fault(kind="truncated_json"),
    "missing_key": Fault(kind="missing_key"),
    "wrong_type": Fault(kind="wrong_type", wrong="data_object"),
    "stuck_next": Fault(kind="stuck_next"),
    "empty_page": Fault(kind="empty_page"),
    "short_page": Fault(kind="short_page"),
    "repeat_page": Fault(kind="repeat_page"),
    "a total of none": Fault(kind="wrong_total", total=0),
    "a total of many": Fault(kind="wrong_total", total=1000),
    "slow": Fault(kind="slow", delay_ms=60_000),
    "drip": Fault(kind="drip", delay_ms=50),
    "cut": Fault(kind="cut"),
    "cut_chunked": Fault(kind="cut_chunked"),
    "reset": Fault(kind="reset"),
    "outage": Fault(kind="outage"),
    "bomb": Fault(kind="bomb"),
    "another limit": Fault(kind="rate", rate="999999/20"),
    "a limit of none": Fault(kind="headers", values={"limit": "0", "period": "soon", "count": "-1"}),
    "redirect here": Fault(kind="redirect", to="here"),
    "redirect elsewhere": Fault(kind="redirect", to="elsewhere"),
}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def manifest(pco_manifest: Manifest) -> Manifest:
    return with_pages_of(pco_manifest, PAGE)


@pytest.fixture(scope="module")
def simulator(manifest: Manifest) -> Iterator[RunningSimulator]:
    with running(manifest, PEOPLE) as church:
        yield church


def test_every_kind_is_tried_every_entity_is_synced_and_some_have_pages(
    manifest: Manifest, simulator: RunningSimulator
) -> None:
    assert sum(count > PAGE for count in simulator.counts().values()) > 1
    # One odd record is no fault of a request; it is tried in tests of its own.
    assert {fault.kind for fault in FAULTS.values()} == set(get_args(FaultKind)) - {"damaged_record"}
    assert {entity for unit in UNITS for entity in unit} == set(manifest.entities)


@pytest.fixture(scope="module")
def looking(module_database: Database) -> Iterator[Connection]:
    with module_database.connect_fleet() as session:
        yield session


@pytest.fixture(scope="module")
def writing(module_database: Database) -> Iterator[OneConnection]:
    with one_connection(module_database) as connection:
        yield connection


@pytest.mark.parametrize("name", FAULTS)
def test_at_every_request(
    writing: OneConnection, looking: Connection, manifest: Manifest, simulator: RunningSimulator, name: str
) -> None:
    bounds = HASTY if name in ("slow", "drip") else BOUNDS
    church = Faulty(writing, looking, manifest, simulator, FAULTS[name], bounds)
    for unit in UNITS:
        sync_in_full(church, unit)
        org = OrgId(f"church-{next(_numbers)}")
        assert not [outcome.error for outcome in church.sync(org, unit, SyncMode.FULL) if outcome.error]
        for entity in unit:
            if entity in NAMES:
                sync_changes(church, org, entity)
            reconcile(church, org, entity)
    assert church.hits > 50
    assert not church.silent, "\n".join(church.silent)


def sync_in_full(church: Faulty, unit: tuple[str, ...]) -> None:
    """Sync a church from nothing, once for each request that goes wrong."""
    for place in itertools.count(1):
        if not church.sync_with_fault(OrgId(f"church-{next(_numbers)}"), unit, SyncMode.FULL, place):
            return


def sync_changes(church: Faulty, org: OrgId, entity: str) -> None:
    """Sync what changed since, another change for each request that goes wrong."""
    for place in itertools.count(1):
        changed = min(church.truth(entity))
        church.change(entity, changed, {NAMES[entity]: f"new {next(_numbers)}"})
        if not church.sync_with_fault(org, [entity], SyncMode.DELTA, place):
            return


def reconcile(church: Faulty, org: OrgId, entity: str) -> None:
    """Compare with the source, one record of ours gone there for each request that goes wrong."""
    for place in itertools.count(1):
        if entity in NAMES:
            church.plant_ghost(org, entity)
        if not church.sync_with_fault(org, [entity], SyncMode.RECONCILIATION, place):
            return
