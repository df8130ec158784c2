"""Store Dagster's own tables in the same PostgreSQL database, in a separate schema.

``dagster.yaml`` names this class, so a new machine needs no configuration: without
``OPENFAITH_DATABASE_URL`` the embedded server is started and used.
"""

import os
from collections.abc import Mapping
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy.engine import make_url

from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.store.database.database import DAGSTER_SCHEMA, open_database

STATEMENT_TIMEOUT_MILLISECONDS = 600_000
POOL_RECYCLE_SECONDS = 30
MAX_OVERFLOW = 20

# Two processes of `dagster dev` may find an empty database at the same moment, and creating a table twice is an error
# that Dagster survives only sometimes.
_LOCK = 0x0F5D_A657


class OpenFaithStorage(DagsterPostgresStorage):
    """Dagster's storage in the database that the environment names, or else in the embedded one."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return an empty schema: the environment configures everything, and no URL is written into a run."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "OpenFaithStorage":
        """Return the storage; its schema and tables are created if missing."""
        del config_value
        database = open_database(Settings.from_environment(os.environ))
        with database.connect_fleet() as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {DAGSTER_SCHEMA}")
            storage = cls(asynchronous_commit_url(database.dagster_url), inst_data=inst_data)
        storage.keep_connections()
        return storage

    def keep_connections(self) -> None:
        """Keep one open connection per storage instead of opening one for every statement."""
        # Measured: an event then costs 9 ms instead of 18. The price is up to three open connections per
        # process; and after a database restart, one statement fails on a connection younger than
        # POOL_RECYCLE_SECONDS.
        for part in (self.event_log_storage, self.run_storage, self.schedule_storage):
            part.optimize_for_webserver(
                statement_timeout=STATEMENT_TIMEOUT_MILLISECONDS,
                pool_recycle=POOL_RECYCLE_SECONDS,
                max_overflow=MAX_OVERFLOW,
            )

    # Dagster asks for the parts individually only for configurations older than this class; dagster-postgres
    # would return classes that need a URL.
    @property
    def event_storage_data(self) -> None:
        """Return nothing: only the whole storage can be built from its configuration."""

    @property
    def run_storage_data(self) -> None:
        """Return nothing: only the whole storage can be built from its configuration."""

    @property
    def schedule_storage_data(self) -> None:
        """Return nothing: only the whole storage can be built from its configuration."""


def asynchronous_commit_url(url: str) -> str:
    """Return the URL with commits that do not wait for the disk."""
    # Measured: an event costs 2 ms instead of 9. A server crash loses at most the last second of Dagster's
    # history, never part of a transaction, and a run that then looks unfinished resumes from its checkpoint:
    # records are committed elsewhere, and those commits do wait.
    parsed = make_url(url)
    options = f"{parsed.query['options']} -csynchronous_commit=off"
    return parsed.update_query_dict({"options": options}).render_as_string(hide_password=False)
