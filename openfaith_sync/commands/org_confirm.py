"""``org confirm``: a person confirms that the right church connected, before anything is read."""

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.dagster_partitions import open_partitions
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.org_lifecycle import require_connections
from openfaith_sync.commands.output import as_json, print_json, require_yes
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.domain.schedule.due_work import WHAT_REPEATS
from openfaith_sync.sessions.opening import open_shared_source
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.connections.accounts import forget_account
from openfaith_sync.store.connections.connections import confirm_connection, list_connections, load_connection
from openfaith_sync.store.connections.invitations import InvitationState, list_invitations
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.schedule.work import make_due


@click.command()
@click.argument("name")
@adapter_option
@click.option("--yes", is_flag=True, help="Confirm without asking.")
@click.option(
    "--reject", is_flag=True, help="It is the wrong one: forget its tokens, so that NAME can be invited again."
)
@as_json
@pass_deployment
def confirm(deployment: Deployment, name: str, adapter: str | None, *, yes: bool, reject: bool, as_json: bool) -> None:
    """Confirm that the right church connected by an invitation: until then, nothing of it is synced.

    Asks the source what it calls the organization, and shows it. `org connect`, `org add` and `org
    import` need no confirmation, unless an invitation came first.

    \b
    Examples:
      openfaith-sync org confirm grace
      openfaith-sync org confirm grace --reject
    """  # noqa: D301  click's marker for lines that are not rewrapped
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        invited = [
            one.adapter for one in list_invitations(database) if one.org == org and one.state is InvitationState.OPEN
        ]
        system = find_adapter(database, org, adapter, invited)
        listed = next((one for one in list_connections(database, org) if one.adapter == system), None)
        if listed is None and system in invited:
            raise UsageError(f"{org} has not used its invitation yet: there is nothing to confirm")
        if listed is None or not listed.awaits_confirmation:
            raise UsageError(f"no connection of {org} to {system} waits to be confirmed")
        if reject:
            others = [one.adapter for one in require_connections(database, org) if one.adapter != system]
            if others:
                raise UsageError(f"{org} is connected to {', '.join(others)} too, which would be disconnected")
            with open_partitions(deployment) as partitions:
                disconnect_org(database, org)
                # Nothing was read from it, and the right church has another one.
                forget_account(database, org, system)
                partitions.unregister(org)
            click.echo(f"rejected {org}; invite the right church with: openfaith-sync org invite {org}")
            return
        manifest = read_manifest(deployment.settings.manifests, system)
        connection = load_connection(database, org, system)
        with open_shared_source(database, manifest, connection) as source:
            identity = source.read_account()
        title = manifest.adapter_file.title
        called = f"{identity.organization!r}" if identity.organization else "an organization without a name"
        click.echo(f"{title} calls it {called} (account {identity.account or 'unknown'})", err=True)
        if not yes:
            require_yes(f"Is this {org}?")
        with open_partitions(deployment) as partitions:
            confirm_connection(database, org, system, identity.organization)
            partitions.register(org)
        make_due(database, org, system, WHAT_REPEATS, "confirmed")
    if as_json:
        facts = {"org": org, "adapter": system, "organization": identity.organization, "account": identity.account}
        print_json(facts)
        return
    click.echo(f"confirmed {org}; its first sync is due now (openfaith-sync sync {org}, or the daemon)")
