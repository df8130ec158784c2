"""``org pause``, ``org resume`` and ``org remove``."""

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.partition import open_partitions
from openfaith_sync.commands.printing import as_json, print_json, print_rows
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
@click.option("--reason", help="For whoever looks at it later.")
@pass_deployment
def pause(deployment: Deployment, name: str, reason: str | None) -> None:
    """Let nothing run for an org until it is resumed. Its webhooks are still received and kept.

    What runs now runs to its end.
    """
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        for connection in require_connections(database, org):
            if connection.status is ConnectionStatus.RECONNECT_NEEDED:
                raise UsageError(f"{org} needs to connect again, so nothing runs for it: {connection.how_to_reconnect}")
            set_connection_status(database, org, connection.adapter, ConnectionStatus.PAUSED, reason)
    click.echo(f"paused {org}; go on with: openfaith-sync org resume {org}")


@click.command()
@click.argument("name")
@pass_deployment
def resume(deployment: Deployment, name: str) -> None:
    """Let an org go on: it is asked for what changed meanwhile at once."""
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        for connection in require_connections(database, org):
            if connection.status is ConnectionStatus.RECONNECT_NEEDED:
                raise UsageError(f"the source refuses {org}'s credentials: {connection.how_to_reconnect}")
            set_connection_status(database, org, connection.adapter, ConnectionStatus.ACTIVE)
            make_due(database, org, connection.adapter, WHAT_REPEATS, "resumed")
    click.echo(f"resumed {org}")


@click.command()
@click.argument("name")
@click.option("--erase", is_flag=True, help="Delete all its data too, for good.")
@click.option("--force", is_flag=True, help="Go on when the source does not let its subscriptions be removed.")
@click.option("--yes", is_flag=True, help="Do not ask before erasing.")
@as_json
@pass_deployment
def remove(deployment: Deployment, name: str, *, erase: bool, force: bool, yes: bool, as_json: bool) -> None:
    """Disconnect an org: its webhook subscriptions, its credentials and its partition go, its data stays.

    The same NAME may be added again: it goes on from where it was, or begins
    anew when it was erased. Its records have the same ids then.

    \b
    Examples:
      openfaith-sync org remove grace
      openfaith-sync org remove grace --erase
    """  # noqa: D301  click's sign for lines that stay as they are
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        connections = list_connections(database, org)
        found = count_rows(database, org)
        if not connections and not (erase and found):
            hint = "; --erase deletes what is left of it" if found else ""
            raise UsageError(f"there is no org {org!r}{hint}")
        if erase and not yes:
            click.echo(f"{org} has {sum(found.values()):,} rows in {len(found)} tables here", err=True)
            click.confirm("Delete all of it for good?", abort=True, err=True)
        with open_partitions(deployment) as partitions:
            removed = [unsubscribe(deployment, database, connection, force=force) for connection in connections]
            disconnect_org(database, org)
            partitions.unregister(org)
        erased = erase_org(database, org) if erase else {}
    if as_json:
        print_json({"org": org, "subscriptions_removed": sum(removed), "erased": erased})
        return
    click.echo(f"disconnected {org}; {sum(removed)} webhook subscriptions were removed at the source")
    if erase:
        print_rows([{"table": table, "rows": rows} for table, rows in erased.items()], ("table", "rows"), as_json=False)
        click.echo(f"erased {sum(erased.values()):,} rows")
    else:
        click.echo(f"its {sum(found.values()):,} rows stay; delete them with: openfaith-sync org remove {org} --erase")


def require_connections(database: Database, org: OrgId) -> list[ListedConnection]:
    """Return an org's connections.

    Raises:
        UsageError: It has none.
    """
    found = list_connections(database, org)
    if not found:
        raise UsageError(f"there is no org {org!r}; connect it with: openfaith-sync org add {org}")
    return found


def unsubscribe(deployment: Deployment, database: Database, listed: ListedConnection, *, force: bool) -> int:
    """Have the source announce nothing more to us; paused first, so that nothing subscribes again meanwhile."""
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
                f"{org} is paused, and nothing of it was removed, since its webhook subscriptions could not be: "
                f"{error}; try again, or leave them there with --force"
            ) from error
        click.echo(f"its webhook subscriptions stay at the source: {error}", err=True)
        forget_subscriptions(database, org, adapter)
        return 0
