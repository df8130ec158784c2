"""The deployment that every command receives: settings and folders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.store.postgres.server_programs import without_libpq_variables

DAGSTER_FILE = "dagster.yaml"
PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Deployment:
    """Settings, and the folder of Dagster's instance."""

    settings: Settings
    dagster_home: Path
    inherited: Mapping[str, str] = field(repr=False)
    """The original environment; may contain secrets."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Deployment":
        """Read the environment once, for all commands."""
        settings = Settings.from_environment(environment)
        return cls(settings, _dagster_home(environment.get("DAGSTER_HOME"), settings), dict(environment))

    def environment(self) -> dict[str, str]:
        """Return the environment for a process that is to use the same deployment."""
        is_embedded = self.settings.database_url is None
        return {
            # A client of the embedded server must not connect to the server that libpq's variables name.
            **(without_libpq_variables(self.inherited) if is_embedded else self.inherited),
            "DAGSTER_HOME": str(self.dagster_home),
            "OPENFAITH_HOME": str(self.settings.home),
            "OPENFAITH_MANIFESTS": str(self.settings.manifests),
        }


pass_deployment = click.make_pass_decorator(Deployment)


def _dagster_home(configured: str | None, settings: Settings) -> Path:
    """Return the given folder, or one with a ``dagster.yaml``, or else one below our home folder."""
    if configured:
        return Path(configured).absolute()
    places = [Path.cwd(), PACKAGE.parent]
    return next((place for place in places if (place / DAGSTER_FILE).is_file()), settings.home / "dagster")
