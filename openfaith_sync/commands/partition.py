"""An org's partition in Dagster's instance."""

from openfaith_sync.commands.deployment import DAGSTER_FILE, PACKAGE, Deployment
from openfaith_sync.domain.ids import OrgId


def register_partition(deployment: Deployment, org: OrgId) -> None:
    """Have the org among the partitions; nothing happens when it is."""
    # Dagster takes two seconds to import, which all other commands can do without.
    from dagster import DagsterInstance  # noqa: PLC0415

    from openfaith_sync.defs.partitions import register_org  # noqa: PLC0415

    make_dagster_home(deployment)
    with DagsterInstance.from_config(str(deployment.dagster_home)) as instance:
        register_org(instance, org)


def unregister_partition(deployment: Deployment, org: OrgId) -> None:
    """Have the org no more among the partitions; what Dagster noted of it stays."""
    from dagster import DagsterInstance  # noqa: PLC0415

    from openfaith_sync.defs.partitions import unregister_org  # noqa: PLC0415

    make_dagster_home(deployment)
    with DagsterInstance.from_config(str(deployment.dagster_home)) as instance:
        unregister_org(instance, org)


def make_dagster_home(deployment: Deployment) -> None:
    """Have the folder of Dagster's instance; with the package's configuration when it is ours."""
    home = deployment.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    shipped = PACKAGE / DAGSTER_FILE
    if not (home / DAGSTER_FILE).exists() and shipped.is_file() and home.parent == deployment.settings.home:
        (home / DAGSTER_FILE).write_bytes(shipped.read_bytes())
