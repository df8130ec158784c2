"""``org connect``: an org's people agree at the source, and the tokens that come of it are kept."""

import sys
import time
from urllib.parse import parse_qs, urlsplit

import click

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.commands.adapters import adapter_option, find_manifest
from openfaith_sync.commands.connections import known_base_url
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.parameters import parse_base_url, parse_name
from openfaith_sync.commands.partition import open_partitions, register_partition
from openfaith_sync.commands.printing import as_json, print_json
from openfaith_sync.domain.connections.connection import Hidden
from openfaith_sync.domain.errors import TransientError, UsageError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.auth import OAuth2
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.subscription import parse_public_url
from openfaith_sync.store.connections.authorizations import (
    GOOD_FOR,
    LONGEST_EXCHANGE,
    Begun,
    begin_authorization,
    load_progress,
)
from openfaith_sync.store.connections.connections import ListedConnection, list_connections
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.web.oauth_callback import PATH
from openfaith_sync.web.oauth_completion import complete_authorization

LOOK_EVERY_SECONDS = 0.5
TELL_EVERY_SECONDS = 60


@click.command()
@click.argument("name", callback=lambda _context, _parameter, given: parse_name(given))
@adapter_option
@click.option("--base-url", metavar="URL", help="Where the system answers, when not at its usual address.")
@click.option("--paste", is_flag=True, help="Paste the code here, instead of having it sent to openfaith-sync serve.")
@click.option("--scopes", metavar="SCOPE,...", help="What to ask for; all that the manifest can use by default.")
@as_json
@pass_deployment
def connect(
    deployment: Deployment,
    name: OrgId,
    adapter: str | None,
    base_url: str | None,
    paste: bool,
    scopes: str | None,
    as_json: bool,
) -> None:
    """Connect an org by OAuth: prints a link, and waits until somebody of the org has agreed there.

    Needs this deployment's OAuth client in the environment (OPENFAITH_PCO_CLIENT_ID and
    OPENFAITH_PCO_CLIENT_SECRET for pco). The source sends the person back to
    OPENFAITH_PUBLIC_URL/oauth/callback, which `openfaith-sync serve` answers; with --paste it
    shows a code instead. The same NAME again replaces the tokens and keeps everything stored:
    the next sync goes on from where it was.

    \b
    Examples:
      openfaith-sync org connect grace
      openfaith-sync org connect grace --paste --scopes people
    """  # noqa: D301  click's sign for lines that stay as they are
    manifest = find_manifest(deployment.settings.manifests, adapter, lambda m: m.adapter_file.auth.oauth2 is not None)
    client = deployment.settings.oauth_clients.get(manifest.adapter)
    url = None if base_url is None else parse_base_url(base_url)
    with open_database(deployment.settings) as database:
        # An org that moved to another address stays there when it connects again.
        url = url or known_base_url(database, name, manifest.adapter) or manifest.adapter_file.base_url
        endpoints = OAuthEndpoints(manifest.adapter_file, url, client)
        wanted = _parse_scopes(scopes, manifest)
        redirect_uri = endpoints.oauth2.out_of_band if paste else _callback_url(deployment)
        endpoints.require_client()
        with open_partitions(deployment):
            # An instance that cannot be opened is found out now, not after somebody has agreed.
            pass
        begun = begin_authorization(database, name, manifest.adapter, url, redirect_uri, wanted)
        # For a program, standard output holds the facts alone.
        click.echo(endpoints.link(redirect_uri, wanted, begun.state, begun.verifier), err=as_json)
        if paste:
            complete_authorization(database, {manifest.adapter: manifest}, begun.state, _read_code(begun.state))
        else:
            _wait(database, begun)
        register_partition(deployment, name)
        connected = next(c for c in list_connections(database, name) if c.adapter == manifest.adapter)
    _print(connected, manifest, as_json=as_json)


def _callback_url(deployment: Deployment) -> str:
    public_url = deployment.settings.public_url
    if public_url is None:
        raise UsageError(
            "OPENFAITH_PUBLIC_URL is not set; it says where the source sends people back to "
            "(openfaith-sync serve); or paste the code with --paste"
        )
    return parse_public_url(public_url) + PATH


def _parse_scopes(given: str | None, manifest: Manifest) -> frozenset[str]:
    oauth2 = manifest.adapter_file.auth.oauth2
    assert isinstance(oauth2, OAuth2)
    known = frozenset(oauth2.scopes.values())
    wanted = known if given is None else frozenset(part.strip() for part in given.split(",") if part.strip())
    if not wanted or wanted - known:
        raise click.BadParameter(f"expected some of {', '.join(sorted(known))}", param_hint="--scopes")
    return wanted


def _read_code(state: str) -> str:
    """Read the code that the source showed, or the whole address that it sent the person to."""
    asked = "Open it, agree, and paste the code, or the address that you are sent to"
    given = click.prompt(asked, err=True) if sys.stdin.isatty() else _read_line(asked)
    given = str(given).strip()
    if "://" in given:
        query = parse_qs(urlsplit(given).query)
        if query.get("state", [state]) != [state]:
            raise UsageError("the address that was pasted belongs to another link; use the newest one")
        given = query.get("code", [""])[0]
    if not given or any(map(str.isspace, given)):
        raise UsageError("no code was pasted; begin again")
    return Hidden(given)


def _read_line(asked: str) -> str:
    click.echo(f"{asked}:", err=True)
    return sys.stdin.readline()


def _wait(database: Database, begun: Begun) -> None:
    """Return once the callback has stored the connection.

    Raises:
        UsageError: The person did not agree, or the source refused.
        TransientError: Nobody came in time, or serve did not finish.
    """
    minutes = GOOD_FOR.total_seconds() / 60
    click.echo(f"open it and agree; the link is good for {minutes:.0f} minutes, waiting …", err=True)
    told = time.monotonic()
    while True:
        progress = load_progress(database, begun.state)
        if progress.failure is not None:
            raise UsageError(f"not connected: {progress.failure}")
        if progress.is_finished:
            return
        if progress.left.total_seconds() <= 0 and not progress.is_used:
            raise TransientError("nobody agreed in time; begin again")
        if progress.left <= -LONGEST_EXCHANGE:
            raise TransientError(
                "somebody agreed, but openfaith-sync serve did not finish; see what it logged, and begin again"
            )
        if time.monotonic() - told >= TELL_EVERY_SECONDS:
            told = time.monotonic()
            left = f"{progress.left.total_seconds() / 60:.0f} minutes are left"
            click.echo(f"still waiting; {'somebody came back' if progress.is_used else left}", err=True)
        time.sleep(LOOK_EVERY_SECONDS)  # another process does the work and has no way to tell us; we can only ask


def _print(connected: ListedConnection, manifest: Manifest, *, as_json: bool) -> None:
    scopes = sorted(connected.scopes or ())
    if as_json:
        print_json(
            {
                "org": connected.org,
                "adapter": connected.adapter,
                "base_url": connected.base_url,
                "scopes": scopes,
            }
        )
        return
    where = f"{manifest.adapter_file.title} at {connected.base_url}"
    click.echo(f"connected {connected.org} to {where} (granted: {', '.join(scopes) or 'nothing'})")
    click.echo(f"next: openfaith-sync sync {connected.org}")
