"""Make the tables that a manifest's entities need, where a sync or a sensor begins."""

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.source_tables import ensure_applied
from openfaith_sync.store.schema.physical_columns import physical_manifest

_ENSURED: dict[tuple[str, str, str], Manifest] = {}
"""What this process has found, by database and manifest."""


def ensure_tables(database: Database, manifest: Manifest) -> Manifest:
    """Make the tables that a manifest's entities need, and return it with the columns in which values lie.

    Once per process, database and manifest; if the manifest was applied before, that costs two queries.

    Raises:
        TransientError: A table is in use, or another process is at it.
        DefinitionError: The manifest and the database contradict each other; the message says how to mend it.
    """
    key = (database.libpq_url, manifest.adapter, manifest.fingerprint)
    if key not in _ENSURED:
        with database.connect_fleet() as connection:
            ensure_applied(connection, manifest)
            _ENSURED[key] = physical_manifest(connection, manifest)
    return _ENSURED[key]
