"""Partitions of orgs in Dagster's instance."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openfaith_sync.commands.deployment import DAGSTER_FILE, PACKAGE, Deployment
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.postgres.folders import require_folder

if TYPE_CHECKING:
    from dagster import DagsterInstance


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partitions of an open instance."""

    instance: "DagsterInstance"

    def register(self, org: OrgId) -> None:
        """Add the org's partition, if it does not exist."""
        from openfaith_sync.defs.resources.partitions import register_org  # noqa: PLC0415  see open_partitions

        register_org(self.instance, org)

    def unregister(self, org: OrgId) -> None:
        """Remove the org's partition; Dagster's history of it remains."""
        from openfaith_sync.defs.resources.partitions import unregister_org  # noqa: PLC0415  see open_partitions

        unregister_org(self.instance, org)


@contextmanager
def open_partitions(deployment: Deployment) -> Iterator[Partitions]:
    """Yield the partitions of Dagster's instance.

    Open this before storing anything, so that an unusable instance leaves nothing half-written.

    Raises:
        DefinitionError: The instance cannot be opened; the message gives the reason in one line.
    """
    # Importing Dagster takes two seconds, which no other command needs to spend.
    from dagster import DagsterError, DagsterInstance  # noqa: PLC0415
    from dagster._check import CheckError  # noqa: PLC0415
    from yaml import YAMLError  # noqa: PLC0415  what Dagster reads its file with

    make_dagster_home(deployment)
    home = deployment.dagster_home
    try:
        instance = DagsterInstance.from_config(str(home))
    except (DagsterError, CheckError, OSError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DefinitionError(
            f"Dagster's instance in {home} cannot be opened: {reason}; see its {DAGSTER_FILE}"
        ) from error
    with instance:
        yield Partitions(instance)


def register_partition(deployment: Deployment, org: OrgId) -> None:
    """Add the org's partition, if it does not exist."""
    with open_partitions(deployment) as partitions:
        partitions.register(org)


def make_dagster_home(deployment: Deployment) -> None:
    """Create the folder of Dagster's instance, with the bundled configuration if the folder is ours.

    Raises:
        UsageError: The folder does not exist and cannot be created.
    """
    home = deployment.dagster_home
    # A folder that someone configured may well be mounted read-only.
    if not home.is_dir():
        require_folder(home, "DAGSTER_HOME" if deployment.inherited.get("DAGSTER_HOME") else "OPENFAITH_HOME")
    shipped = PACKAGE / DAGSTER_FILE
    if not (home / DAGSTER_FILE).exists() and shipped.is_file() and home.parent == deployment.settings.home:
        (home / DAGSTER_FILE).write_bytes(shipped.read_bytes())
