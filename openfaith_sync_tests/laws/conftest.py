from collections.abc import Callable, Iterator

import pytest

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest import Manifest
from openfaith_sync.domain.passes import SyncMode
from openfaith_sync.store.database import Database
from openfaith_sync_tests.laws.synced_church import Synced, running


@pytest.fixture
def synced(database: Database, pco_manifest: Manifest) -> Iterator[Callable[..., Synced]]:
    """Gives a church of so many people, these of its entities synced in full."""
    with running(pco_manifest) as simulator:

        def sync(*entities: EntityName) -> Synced:
            church = Synced(database, pco_manifest, simulator)
            for entity in entities:
                church.sync(entity, SyncMode.FULL)
            return church

        yield sync
