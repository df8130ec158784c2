"""``org move``: detach an org from its account at the source, so that it can be connected to another."""

import click

from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.org_lifecycle import unsubscribe
from openfaith_sync.commands.output import as_json, print_json, require_yes
from openfaith_sync.domain.errors import SyncError, UsageError
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.store.admin.erase import count_rows, disconnect_org, erase_org
from openfaith_sync.store.connections.accounts import list_accounts, load_account
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import open_database


@click.command()
@click.argument("name")
@adapter_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before erasing.")
@as_json
@pass_deployment
def move(deployment: Deployment, name: str, adapter: str | None, *, yes: bool, as_json: bool) -> None:
    """Erase an org's data from one account of its system, so that it can be connected to another account.

    A connection belongs to one account (for pco: one church's organization). Credentials of
    another account are rejected, since the new account's records would mix with the stored ones,
    and those would be deleted. This command states how many records come from the old account,
    asks for confirmation, then erases them together with the connection. The org's settings are
    kept. Afterwards, connect it with `org add` or `org connect`.

    \b
    Example: openfaith-sync org move grace
    """  # noqa: D301  click's marker for lines that are not rewrapped
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
            raise UsageError(f"{org} also has records from {', '.join(others)}, which would be erased too")
        row_counts = count_rows(database, org)
        records = sum(rows for table, rows in row_counts.items() if table.startswith("openfaith."))
        summary = f"{records:,} records from account {account} of {system} ({sum(row_counts.values()):,} rows in all)"
        if not yes:
            click.echo(f"{org} has {summary}; they will be erased here; nothing changes at the source", err=True)
            require_yes("Erase them permanently?")
        for connection in connections:
            try:
                unsubscribe(deployment, database, connection, force=True)
            except SyncError as error:
                # Events of another account are set aside when they arrive.
                click.echo(f"its webhook subscriptions remain at the source: {error}", err=True)
        disconnect_org(database, org)
        erased = erase_org(database, org, keep_settings=True)
    if as_json:
        print_json({"org": org, "adapter": system, "left": account, "records": records, "erased": erased})
        return
    click.echo(f"erased {summary}")
    click.echo(f"next: openfaith-sync org add {org} --adapter {system}, or openfaith-sync org connect {org}")
