import itertools
from collections.abc import Callable, Iterator

import pytest

from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync_tests.laws.consenting_church import HOURS, PEOPLE, connect
from openfaith_sync_tests.laws.consenting_church import Church as ConsentingChurch
from openfaith_sync_tests.laws.nested_church import ServicesSync, begin_services, read_services
from openfaith_sync_tests.laws.synced_church import Synced, running, set_limits

_names = itertools.count()


@pytest.fixture
def synced(database: Database, pco_manifest: Manifest) -> Iterator[Callable[..., Synced]]:
    """Gives a church of so many people, these of its entities synced in full."""
    set_limits(database)
    with running(pco_manifest) as simulator:

        def sync(*entities: EntityName) -> Synced:
            church = Synced(database, pco_manifest, simulator)
            for entity in entities:
                church.sync(entity, SyncMode.FULL)
            return church

        yield sync


@pytest.fixture(scope="module")
def oauth_simulator(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    settings = SimulatorSettings(people=PEOPLE, rate=parse_rate("1000000/20"))
    with running_simulator(settings, pco_manifest) as simulator:
        yield simulator


@pytest.fixture
def church(
    module_database: Database, oauth_simulator: RunningSimulator, pco_manifest: Manifest
) -> Iterator[ConsentingChurch]:
    """Gives an org that is connected by OAuth, which nobody had before."""
    org = OrgId(f"church-{next(_names)}")
    yield connect(ConsentingChurch(org, 0, module_database, oauth_simulator, pco_manifest), HOURS)
    oauth_simulator.clear_oauth()
    oauth_simulator.clear_faults()


@pytest.fixture(scope="session")
def services_manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A manifest of lists three levels deep."""
    return read_services(tmp_path_factory.mktemp("services"))


@pytest.fixture
def services(database: Database, services_manifest: Manifest) -> ServicesSync:
    """Two service types with three plans each, two people in each plan, and a note about each person."""
    manifest = ensure_tables(database, services_manifest)
    return ServicesSync(database, manifest, begin_services(manifest))
