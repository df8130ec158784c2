"""``org move``: an org leaves one account of its source, so that it can be connected to another."""

import click

from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.org_life import unsubscribe
from openfaith_sync.commands.printing import as_json, print_json
from openfaith_sync.domain.errors import SyncError, UsageError
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.store.admin.erase import count_rows, disconnect_org, erase_org
from openfaith_sync.store.connections.accounts import list_accounts, load_account
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import open_database


@click.command()
@click.argument("name")
@adapter_option
@click.option("--yes", is_flag=True, help="Do not ask before erasing.")
@as_json
@pass_deployment
def move(deployment: Deployment, name: str, adapter: str | None, *, yes: bool, as_json: bool) -> None:
    """Erase what an org has from one account of its system, so that it can be connected to another.

    A connection belongs to one account (for pco: one church's organization). Credentials of
    another one are rejected, since its records would be mixed with those that are here, and these
    deleted. This says how many records come from the old account, asks, then erases them with the
    connection. The org's settings stay. Connect it afterwards with `org add` or `org connect`.

    \b
    Example: openfaith-sync org move grace
    """  # noqa: D301  click's sign for lines that stay as they are
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        connections = list_connections(database, org)
        # Records outlive a removed connection, and so does the account that they come from.
        system = find_adapter(database, org, adapter, list_accounts(database, org))
        account = load_account(database, org, system)
        if account is None:
            raise UsageError(f"{org} is not connected to an account of {system} yet; openfaith-sync org add {org}")
        others = sorted(connection.adapter for connection in connections if connection.adapter != system)
        if others:
            raise UsageError(f"{org} has records of {', '.join(others)} too, which would be erased with the others")
        found = count_rows(database, org)
        records = sum(rows for table, rows in found.items() if table.startswith("openfaith."))
        told = f"{records:,} records from account {account} of {system} ({sum(found.values()):,} rows in all)"
        if not yes:
            click.echo(f"{org} has {told}; all of them will be erased here, nothing at the source", err=True)
            click.confirm("Erase them for good?", abort=True, err=True)
        for connection in connections:
            try:
                unsubscribe(deployment, database, connection, force=True)
            except SyncError as error:
                # Events of another account are kept apart when they arrive.
                click.echo(f"its webhook subscriptions stay at the source: {error}", err=True)
        disconnect_org(database, org)
        erased = erase_org(database, org, keep_settings=True)
    if as_json:
        print_json({"org": org, "adapter": system, "left": account, "records": records, "erased": erased})
        return
    click.echo(f"erased {told}")
    click.echo(f"next: openfaith-sync org add {org} --adapter {system}, or openfaith-sync org connect {org}")
