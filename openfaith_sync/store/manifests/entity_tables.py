"""Make the tables that a manifest's entities need, where a sync or a sensor begins."""

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.source_tables import ensure_applied

_ENSURED: set[tuple[str, str, str]] = set()
"""Databases and manifests for which this process has done it."""


def ensure_tables(database: Database, manifest: Manifest) -> None:
    """Make the tables that a manifest's entities need; once per process, database and manifest.

    Raises:
        TransientError: A table is in use, or another process is at it.
        DefinitionError: The manifest and the database contradict each other; the message says how to mend it.
    """
    done = (database.libpq_url, manifest.adapter, manifest.fingerprint)
    if done not in _ENSURED:
        with database.connect_fleet() as connection:
            ensure_applied(connection, manifest)
        _ENSURED.add(done)
