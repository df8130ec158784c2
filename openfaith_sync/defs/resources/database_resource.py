"""The database as a Dagster resource: holds configuration, and opens the database on first use."""

import dagster as dg
from pydantic import Field, PrivateAttr

from openfaith_sync.domain.connections.deployment_settings import Settings, client_variables
from openfaith_sync.store.database.database import Database, open_database


class DatabaseResource(dg.ConfigurableResource["DatabaseResource"]):
    """The database of this deployment, opened at most once per run."""

    home: str = Field(description="The folder of the embedded PostgreSQL and of the development key.")
    database_url: str | None = Field(default=None, description="Empty for the embedded PostgreSQL.")
    secret_keys: str | None = Field(default=None, description="Fernet keys, newest first, separated by commas.")
    oauth_clients: dict[str, str] = Field(
        default_factory=dict, description="The ids and secrets of OAuth clients, by environment variable."
    )

    _database: Database | None = PrivateAttr(default=None)

    def open(self) -> Database:
        """Return the database, migrated to the current schema.

        Raises:
            SyncError: The database cannot be reached or used.
        """
        # Not at the start of the run: a database that is briefly unreachable is then an error of a step,
        # which is retried, and not of the whole run.
        if self._database is None:
            self._database = open_database(self._settings())
        return self._database

    def _settings(self) -> Settings:
        return Settings.from_environment(
            {
                "OPENFAITH_HOME": self.home,
                "OPENFAITH_DATABASE_URL": self.database_url or "",
                "OPENFAITH_SECRET_KEYS": self.secret_keys or "",
                **self.oauth_clients,
            }
        )


def build_database(settings: Settings) -> DatabaseResource:
    """Return the resource of a deployment; secrets remain names of environment variables until a run needs them."""
    clients = [variable for adapter in settings.oauth_clients for variable in client_variables(adapter)]
    return DatabaseResource(
        home=str(settings.home),
        database_url=dg.EnvVar("OPENFAITH_DATABASE_URL") if settings.database_url else None,
        secret_keys=dg.EnvVar("OPENFAITH_SECRET_KEYS") if settings.secret_keys else None,
        oauth_clients={variable: dg.EnvVar(variable) for variable in clients},
    )
