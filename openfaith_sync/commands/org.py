"""``org add`` and ``org list``."""

from dataclasses import replace

import click

from openfaith_sync.adapters.sources import verify_connection
from openfaith_sync.commands.adapters import adapter_option, find_manifest
from openfaith_sync.commands.connect import connect
from openfaith_sync.commands.connection_lookup import choose_base_url
from openfaith_sync.commands.connection_options import parse_base_url, parse_name, read_credentials, require_accepted
from openfaith_sync.commands.dagster_partitions import open_partitions
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.org_confirm import confirm
from openfaith_sync.commands.org_import import import_
from openfaith_sync.commands.org_invite import invite, invites
from openfaith_sync.commands.org_lifecycle import pause, remove, resume
from openfaith_sync.commands.org_move import move
from openfaith_sync.commands.org_settings import set_
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.connections.selection import describe_selection, parse_selection, parse_sensitive
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.schedule.chosen_intervals import format_cadences
from openfaith_sync.domain.schedule.due_work import WHAT_REPEATS
from openfaith_sync.store.connections.connections import add_connection, list_connections
from openfaith_sync.store.connections.selections import load_selection, load_sensitive, select_only, turn_on
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.schedule.intervals import load_all_intervals
from openfaith_sync.store.schedule.work import make_due


@click.group()
def org() -> None:
    """Connect orgs (churches) to their systems."""


@org.command()
@click.argument("name", callback=lambda _context, _parameter, given: parse_name(given))
@adapter_option
@click.option("--basic", metavar="ID:SECRET", help="Application id and secret. They remain in the shell's history.")
@click.option("--basic-stdin", is_flag=True, help="Read ID:SECRET from standard input, or prompt for it on a terminal.")
@click.option("--bearer-stdin", is_flag=True, help="Read a token from standard input, or prompt for it on a terminal.")
@click.option("--token-stdin", is_flag=True, help="The same for an API key that the system takes in its own header.")
@click.option(
    "--base-url", metavar="URL", help="The system's URL; by default the previous one, or else the system's default."
)
@click.option(
    "--only",
    metavar="NAME,...",
    help="Sync only these modules and entities, such as people,groups, and what they require; all undoes it.",
)
@click.option(
    "--sensitive",
    metavar="NAME,...",
    help="Sync these sensitive modules and entities too, such as giving; none is off.",
)
@as_json
@pass_deployment
def add(
    deployment: Deployment,
    name: OrgId,
    adapter: str | None,
    basic: str | None,
    basic_stdin: bool,
    bearer_stdin: bool,
    token_stdin: bool,
    base_url: str | None,
    only: str | None,
    sensitive: str | None,
    as_json: bool,
) -> None:
    """Connect an org: verify the credentials, store them encrypted, and create its partition in Dagster.

    Nothing is stored if the system refuses the credentials. Running this again
    with the same NAME replaces the credentials and keeps all data and the base URL.
    Credentials for a different account than the one that NAME's records come
    from are rejected; see `openfaith-sync org move`.

    \b
    Examples:
      openfaith-sync org add grace --basic-stdin < credentials.txt
      openfaith-sync org add grace --basic-stdin --only people,groups,giving --sensitive giving
      openfaith-sync org add demo --basic demo:demo --base-url http://127.0.0.1:8765
    """  # noqa: D301  click's marker for lines that are not rewrapped
    credentials = read_credentials(
        basic, is_basic_from_stdin=basic_stdin, is_bearer_from_stdin=bearer_stdin, is_token_from_stdin=token_stdin
    )
    method = "token" if token_stdin else "bearer" if bearer_stdin else "basic"
    url = None if base_url is None else parse_base_url(base_url)
    manifest = find_manifest(deployment.settings.manifests, adapter, lambda m: method in m.adapter_file.auth.methods)
    require_accepted(manifest, credentials)
    chosen = None if only is None else parse_selection(manifest, only)
    turned_on = None if sensitive is None else parse_sensitive(manifest, sensitive)
    with open_database(deployment.settings) as database:
        database.keys.require()
        # An org whose base URL was changed keeps it when its credentials are replaced.
        url = choose_base_url(database, name, manifest, url)
        connection = Connection(org=name, adapter=manifest.adapter, base_url=url, credentials=credentials)
        identity = verify_connection(manifest, connection)
        with open_partitions(deployment) as partitions:
            identified = replace(connection, account=identity.account)
            is_new = add_connection(database, identified, organization=identity.organization)
            # First, since a sensor syncs an org that has a partition.
            if only is not None:
                select_only(database, name, manifest.adapter, chosen)
            if turned_on is not None:
                turn_on(database, name, manifest.adapter, turned_on)
            partitions.register(name)
        selected_modules = load_selection(database, name, manifest.adapter)
        selected_sensitive = load_sensitive(database, name, manifest.adapter)
        make_due(database, connection.org, connection.adapter, WHAT_REPEATS, "reconnected")
    if as_json:
        print_json(
            {
                "org": connection.org,
                "adapter": connection.adapter,
                "base_url": connection.base_url,
                "user": identity.user,
                "account": identity.account,
                "organization": identity.organization,
                "is_new": is_new,
                "only": selected_modules,
                "sensitive": selected_sensitive,
            }
        )
        return
    what = "connected" if is_new else "replaced the credentials of"
    whose = f"{identity.organization or 'name unknown'}, account {identity.account or 'unknown'}, user {identity.user}"
    click.echo(f"{what} {connection.org} to {manifest.adapter_file.title} at {connection.base_url} ({whose})")
    click.echo(describe_selection(manifest, selected_modules, selected_sensitive))
    click.echo(f"next: openfaith-sync sync {connection.org}")


@org.command("list")
@as_json
@pass_deployment
def list_(deployment: Deployment, as_json: bool) -> None:
    """List the connections: org, system, and whether each is usable.

    Example: openfaith-sync org list --json
    """
    with open_database(deployment.settings) as database:
        own = load_all_intervals(database)
        rows = [
            {
                "org": connection.org,
                "adapter": connection.adapter,
                "base_url": connection.base_url,
                "account": connection.account,
                "organization": connection.organization,
                "method": connection.auth_method,
                "status": connection.status.value,
                "since": connection.status_since,
                "reason": connection.status_reason,
                "only": connection.only and ", ".join(connection.only),
                "cadence": format_cadences(own.get((connection.org, connection.adapter), {})),
            }
            for connection in list_connections(database)
        ]
    columns = ("org", "adapter", "base_url", "account", "organization", "method", "status", "since", "reason", "only")
    print_rows(rows, columns, as_json=as_json, otherwise="no org is connected; see: openfaith-sync org add --help")


for command in (confirm, connect, import_, invite, invites, move, pause, resume, remove, set_):
    org.add_command(command)
