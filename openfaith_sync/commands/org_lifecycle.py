"""``org pause``, ``org resume`` and ``org remove``."""

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.dagster_partitions import open_partitions
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows, require_yes
from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.errors import SyncError, TransientError, UsageError
from openfaith_sync.domain.ids import OrgId, parse_org
from openfaith_sync.domain.schedule.due_work import WHAT_REPEATS
from openfaith_sync.engine.webhooks.subscriptions import remove_subscriptions
from openfaith_sync.sessions.opening import open_shared_subscriptions
from openfaith_sync.store.admin.erase import count_rows, disconnect_org, erase_org
from openfaith_sync.store.connections.connections import (
    ListedConnection,
    list_connections,
    load_connection,
    set_connection_status,
)
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.schedule.work import make_due
from openfaith_sync.store.webhooks.subscriptions import forget_subscriptions, open_subscriptions


@click.command()
@click.argument("name")
@click.option("--reason", help="A note for other operators.")
@pass_deployment
def pause(deployment: Deployment, name: str, reason: str | None) -> None:
    """Pause an org: start no runs for it until it is resumed. Its webhooks are still received and stored.

    Runs in progress continue to their end.
    """
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        for connection in require_connections(database, org):
            if connection.status is ConnectionStatus.RECONNECT_NEEDED:
                raise UsageError(f"{org} is not syncing, since it must reconnect: {connection.how_to_reconnect}")
            set_connection_status(database, org, connection.adapter, ConnectionStatus.PAUSED, reason)
    click.echo(f"paused {org}; resume it with: openfaith-sync org resume {org}")


@click.command()
@click.argument("name")
@pass_deployment
def resume(deployment: Deployment, name: str) -> None:
    """Resume a paused org: a sync of what has changed is due immediately."""
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        for connection in require_connections(database, org):
            if connection.status is ConnectionStatus.RECONNECT_NEEDED:
                raise UsageError(f"the source refuses {org}'s credentials: {connection.how_to_reconnect}")
            status = set_connection_status(database, org, connection.adapter, ConnectionStatus.ACTIVE)
            if status is ConnectionStatus.UNCONFIRMED:
                raise UsageError(f"{org} is not paused any more, but waits for you: {connection.how_to_confirm}")
            make_due(database, org, connection.adapter, WHAT_REPEATS, "resumed")
    click.echo(f"resumed {org}")


@click.command()
@click.argument("name")
@click.option("--erase", is_flag=True, help="Also delete all its data permanently.")
@click.option("--force", is_flag=True, help="Continue even if the source's subscriptions cannot be removed.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before erasing.")
@as_json
@pass_deployment
def remove(deployment: Deployment, name: str, *, erase: bool, force: bool, yes: bool, as_json: bool) -> None:
    """Disconnect an org: remove its webhook subscriptions, credentials and partition, and keep its data.

    The same NAME can be added again: it resumes where it stopped, or starts over
    if it was erased. Its records then have the same ids as before.

    \b
    Examples:
      openfaith-sync org remove grace
      openfaith-sync org remove grace --erase
    """  # noqa: D301  click's marker for lines that are not rewrapped
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        connections = list_connections(database, org)
        row_counts = count_rows(database, org)
        if not connections and not (erase and row_counts):
            hint = "; --erase deletes its remaining data" if row_counts else ""
            raise UsageError(f"there is no org {org!r}{hint}")
        if erase and not yes:
            click.echo(f"{org} has {sum(row_counts.values()):,} rows in {len(row_counts)} tables", err=True)
            require_yes("Delete all of them permanently?")
        with open_partitions(deployment) as partitions:
            removed = [unsubscribe(deployment, database, connection, force=force) for connection in connections]
            disconnect_org(database, org)
            partitions.unregister(org)
        erased = erase_org(database, org) if erase else {}
    if as_json:
        print_json({"org": org, "subscriptions_removed": sum(removed), "erased": erased})
        return
    click.echo(f"disconnected {org}; removed {sum(removed)} webhook subscriptions at the source")
    if erase:
        print_rows([{"table": table, "rows": rows} for table, rows in erased.items()], ("table", "rows"), as_json=False)
        click.echo(f"erased {sum(erased.values()):,} rows")
    else:
        click.echo(
            f"kept its {sum(row_counts.values()):,} rows; delete them with: openfaith-sync org remove {org} --erase"
        )


def require_connections(database: Database, org: OrgId) -> list[ListedConnection]:
    """Return an org's connections.

    Raises:
        UsageError: It has none.
    """
    connections = list_connections(database, org)
    if not connections:
        raise UsageError(f"there is no org {org!r}; connect it with: openfaith-sync org add {org}")
    return connections


def unsubscribe(deployment: Deployment, database: Database, listed: ListedConnection, *, force: bool) -> int:
    """Remove the org's webhook subscriptions; the org is paused first, so that nothing subscribes again meanwhile."""
    org, adapter = listed.org, listed.adapter
    manifest = read_manifest(deployment.settings.manifests, adapter)
    set_connection_status(database, org, adapter, ConnectionStatus.PAUSED, "being removed")
    if not manifest.adapter_file.has_webhooks:
        return 0
    public_url = deployment.settings.public_url
    try:
        with open_subscriptions(database, org, adapter) as store:
            if not store.load() and public_url is None:
                return 0
            connection = load_connection(database, org, adapter)
            with open_shared_subscriptions(database, manifest, connection) as source:
                return len(remove_subscriptions(source, store, public_url).removed)
    except SyncError as error:
        if not force:
            raise TransientError(
                f"{org} is paused and nothing was removed, because its webhook subscriptions could not be removed: "
                f"{error}; try again, or leave them at the source with --force"
            ) from error
        click.echo(f"its webhook subscriptions remain at the source: {error}", err=True)
        forget_subscriptions(database, org, adapter)
        return 0
