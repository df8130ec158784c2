"""Make the tables that a manifest's entities need."""

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schema.record_tables import register_tables

_ENSURED: set[tuple[str, str, str]] = set()
"""Databases and manifests for which this process has done it."""


def ensure_tables(database: Database, manifest: Manifest) -> None:
    """Register the tables of a manifest's entities; once per process, database and manifest."""
    done = (database.libpq_url, manifest.adapter, manifest.fingerprint)
    if done not in _ENSURED:
        with database.connect_fleet() as connection:
            register_tables(connection, manifest)
        _ENSURED.add(done)
