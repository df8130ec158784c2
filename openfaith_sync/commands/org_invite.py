"""``org invite``, ``org invites list`` and ``org invites revoke``: links with which churches connect themselves."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import click

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.commands.adapters import adapter_option, find_manifest
from openfaith_sync.commands.connection_lookup import choose_base_url
from openfaith_sync.commands.connection_options import parse_base_url, parse_name, require_public_url
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.connections.scopes import required_scopes
from openfaith_sync.domain.connections.selection import describe_selection, parse_selection, select_entities
from openfaith_sync.domain.errors import DefinitionError, UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId, parse_org
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.connections.invitations import invite as make_invitation
from openfaith_sync.store.connections.invitations import list_invitations, revoke_invitations
from openfaith_sync.store.connections.selections import load_selection, load_sensitive, select_only
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.web.invitation_page import PATH
from openfaith_sync.web.oauth_callback import PATH as CALLBACK_PATH

DAYS, MOST_DAYS = 7, 90
COLUMNS = ("org", "adapter", "state", "expires", "asked_by")


@dataclass(frozen=True, slots=True)
class Sent:
    """An invitation as it is sent to a church; its URL is not stored anywhere."""

    url: str
    expires_at: datetime


@click.command()
@click.argument("name", callback=lambda _context, _parameter, given: parse_name(given))
@adapter_option
@click.option(
    "--days", type=click.IntRange(1, MOST_DAYS), default=DAYS, show_default=True, help="How long the link is valid."
)
@click.option("--only", metavar="NAME,...", help="Sync only these modules and entities; see `org set`.")
@click.option("--asked-by", metavar="TEXT", help="Who asks, as the page says; by default OPENFAITH_OPERATOR.")
@click.option("--base-url", metavar="URL", help="The system's URL, if not its default.")
@as_json
@pass_deployment
def invite(
    deployment: Deployment,
    name: OrgId,
    adapter: str | None,
    days: int,
    only: str | None,
    asked_by: str | None,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Print a link with which a church connects itself by OAuth, without a terminal and without you waiting.

    The page behind it, served by `openfaith-sync serve` at OPENFAITH_PUBLIC_URL, says who asks for
    what, and leads to the source's consent page. The link is used up when the church is connected;
    a church that declines can open it again. Another `org invite NAME` replaces it. The link is shown
    only now: it is stored as a hash.

    Nothing is synced until you have confirmed, with `org confirm NAME`, that the right church
    connected. Requires this deployment's OAuth client, like `org connect`.

    \b
    Examples:
      openfaith-sync org invite grace
      openfaith-sync org invite grace --days 14 --only people
    """  # noqa: D301  click's marker for lines that are not rewrapped
    manifest = find_manifest(deployment.settings.manifests, adapter, lambda m: m.adapter_file.auth.oauth2 is not None)
    url = None if base_url is None else parse_base_url(base_url)
    chosen = None if only is None else parse_selection(manifest, only)
    with open_database(deployment.settings) as database:
        who = require_invitable(deployment, manifest, asked_by)
        if only is not None:
            select_only(database, name, manifest.adapter, chosen)
        sent = send_invitation(deployment, database, manifest, name, who=who, days=days, base_url=url)
        selected = load_selection(database, name, manifest.adapter)
        sensitive = load_sensitive(database, name, manifest.adapter)
    if as_json:
        entities = list(select_entities(manifest, selected, sensitive))
        facts = {"org": name, "adapter": manifest.adapter, "url": sent.url, "expires": sent.expires_at}
        print_json({**facts, "asked_by": who, "entities": entities})
        return
    click.echo(sent.url)
    click.echo(f"valid until {sent.expires_at:%Y-%m-%d %H:%M} UTC, for one connection of {name}", err=True)
    click.echo(f"{who} asks for it; {describe_selection(manifest, selected, sensitive)}", err=True)
    click.echo(f"once they have connected: openfaith-sync org confirm {name}", err=True)


@click.group()
def invites() -> None:
    """List and withdraw the links that `org invite` made."""


@invites.command("list")
@as_json
@pass_deployment
def list_(deployment: Deployment, as_json: bool) -> None:
    """List the newest invitation of each org: open, used, revoked or expired.

    Example: openfaith-sync org invites list --json
    """
    with open_database(deployment.settings) as database:
        rows = [
            {
                "org": one.org,
                "adapter": one.adapter,
                "state": one.state.value,
                "expires": one.expires_at,
                "asked_by": one.asked_by,
            }
            for one in list_invitations(database)
        ]
    print_rows(rows, COLUMNS, as_json=as_json, otherwise="nobody was invited; see: openfaith-sync org invite --help")


@invites.command()
@click.argument("name")
@adapter_option
@pass_deployment
def revoke(deployment: Deployment, name: str, adapter: str | None) -> None:
    """Withdraw an org's open invitations: their links, and consents that are under way, connect nothing any more.

    Example: openfaith-sync org invites revoke grace
    """
    org = parse_org(name)
    with open_database(deployment.settings) as database:
        if not revoke_invitations(database, org, None if adapter is None else AdapterName(adapter)):
            raise UsageError(f"{org} has no open invitation; see: openfaith-sync org invites list")
    click.echo(f"withdrew the invitation of {org}")


def require_invitable(deployment: Deployment, manifest: Manifest, asked_by: str | None = None) -> str:
    """Return who asks, if this deployment can invite churches to an adapter.

    Raises:
        DefinitionError: A setting is missing, or the adapter has no OAuth; the message names it.
    """
    client = deployment.settings.oauth_clients.get(manifest.adapter)
    OAuthEndpoints(manifest.adapter_file, manifest.adapter_file.base_url, client).require_client()
    require_public_url(deployment)
    who = " ".join((asked_by or deployment.settings.operator or "").split())
    if not who:
        raise DefinitionError(
            "OPENFAITH_OPERATOR is not set; set it to the name of the organization that runs this deployment, "
            "so that churches see who asks, or give it with --asked-by"
        )
    return who


def send_invitation(
    deployment: Deployment,
    database: Database,
    manifest: Manifest,
    org: OrgId,
    *,
    who: str,
    days: int,
    base_url: str | None,
) -> Sent:
    """Make an invitation, and return what to send to the church.

    Raises:
        UsageError: A connection of the org waits to be confirmed, or its address is not known.
    """
    for listed in list_connections(database, org):
        if listed.adapter == manifest.adapter and listed.status is ConnectionStatus.UNCONFIRMED:
            raise UsageError(f"{org} is connected already, and waits for you: {listed.how_to_confirm}")
    public_url = require_public_url(deployment)
    only = load_selection(database, org, manifest.adapter)
    selected = select_entities(manifest, only, load_sensitive(database, org, manifest.adapter))
    made = make_invitation(
        database,
        org,
        manifest.adapter,
        asked_by=who,
        base_url=choose_base_url(database, org, manifest, base_url),
        redirect_uri=public_url + CALLBACK_PATH,
        scopes=required_scopes(manifest, selected),
        good_for=timedelta(days=days),
    )
    return Sent(f"{public_url}{PATH}/{made.link}", made.expires_at)
