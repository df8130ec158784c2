"""``org connect``: connect an org through the source's OAuth consent page."""

import sys
import time
from urllib.parse import parse_qs, urlsplit

import click

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.commands.adapters import adapter_option, find_manifest
from openfaith_sync.commands.connection_lookup import choose_base_url
from openfaith_sync.commands.connection_options import parse_base_url, parse_name, require_public_url
from openfaith_sync.commands.dagster_partitions import open_partitions, register_partition
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json
from openfaith_sync.domain.connections.connection import Hidden
from openfaith_sync.domain.errors import TransientError, UsageError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.auth import OAuth2
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.authorizations import (
    GOOD_FOR,
    LONGEST_EXCHANGE,
    StartedAuthorization,
    begin_authorization,
    load_progress,
)
from openfaith_sync.store.connections.connections import ListedConnection, list_connections
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.web.oauth_callback import PATH
from openfaith_sync.web.oauth_completion import complete_authorization

POLL_SECONDS = 0.5
MESSAGE_SECONDS = 60
_OR_PASTE = ", or paste the code with --paste"


@click.command()
@click.argument("name", callback=lambda _context, _parameter, given: parse_name(given))
@adapter_option
@click.option("--base-url", metavar="URL", help="The system's URL, if not its default.")
@click.option("--paste", is_flag=True, help="Paste the code here instead of receiving it through openfaith-sync serve.")
@click.option("--scopes", metavar="SCOPE,...", help="The scopes to request; by default all that the manifest uses.")
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
    """Connect an org by OAuth: print a link, then wait until someone from the org has consented there.

    Requires this deployment's OAuth client in the environment (OPENFAITH_PCO_CLIENT_ID and
    OPENFAITH_PCO_CLIENT_SECRET for pco). The source redirects the person to
    OPENFAITH_PUBLIC_URL/oauth/callback, which `openfaith-sync serve` handles; with --paste it
    shows a code instead. Running this again with the same NAME replaces the tokens and keeps all
    data: the next sync resumes where the last one ended.

    \b
    Examples:
      openfaith-sync org connect grace
      openfaith-sync org connect grace --paste --scopes people
    """  # noqa: D301  click's marker for lines that are not rewrapped
    manifest = find_manifest(deployment.settings.manifests, adapter, lambda m: m.adapter_file.auth.oauth2 is not None)
    client = deployment.settings.oauth_clients.get(manifest.adapter)
    url = None if base_url is None else parse_base_url(base_url)
    with open_database(deployment.settings) as database:
        # An org whose base URL was changed keeps it when it reconnects.
        url = choose_base_url(database, name, manifest, url)
        endpoints = OAuthEndpoints(manifest.adapter_file, url, client)
        requested = _parse_scopes(scopes, manifest)
        redirect_uri = endpoints.oauth2.out_of_band if paste else require_public_url(deployment, _OR_PASTE) + PATH
        endpoints.require_client()
        with open_partitions(deployment):
            # Fail now if the instance cannot be opened, not after someone has consented.
            pass
        authorization = begin_authorization(database, name, manifest.adapter, url, redirect_uri, requested)
        # With --json, only the result goes to standard output.
        click.echo(endpoints.link(redirect_uri, requested, authorization.state, authorization.verifier), err=as_json)
        if paste:
            complete_authorization(
                database, {manifest.adapter: manifest}, authorization.state, _read_code(authorization.state)
            )
        else:
            _wait(database, authorization)
        register_partition(deployment, name)
        connected = next(c for c in list_connections(database, name) if c.adapter == manifest.adapter)
    _print(connected, manifest, as_json=as_json)


def _parse_scopes(text: str | None, manifest: Manifest) -> frozenset[str]:
    oauth2 = manifest.adapter_file.auth.oauth2
    assert isinstance(oauth2, OAuth2)
    known = frozenset(oauth2.scopes.values())
    requested = known if text is None else frozenset(part.strip() for part in text.split(",") if part.strip())
    if not requested or requested - known:
        raise click.BadParameter(f"expected some of {', '.join(sorted(known))}", param_hint="--scopes")
    return requested


def _read_code(state: str) -> str:
    """Read the code that the source showed, or the URL that it redirected the person to."""
    prompt = "Open the link, consent, and paste the code or the URL that you are redirected to"
    answer = click.prompt(prompt, err=True) if sys.stdin.isatty() else _read_line(prompt)
    answer = str(answer).strip()
    if "://" in answer:
        query = parse_qs(urlsplit(answer).query)
        if query.get("state", [state]) != [state]:
            raise UsageError("the pasted URL belongs to another link; use the newest link")
        answer = query.get("code", [""])[0]
    if not answer or any(map(str.isspace, answer)):
        raise UsageError("no code was pasted; start again")
    return Hidden(answer)


def _read_line(prompt: str) -> str:
    click.echo(f"{prompt}:", err=True)
    return sys.stdin.readline()


def _wait(database: Database, authorization: StartedAuthorization) -> None:
    """Wait until the callback has stored the connection.

    Raises:
        UsageError: The person declined, or the source refused.
        TransientError: No one consented in time, or serve did not finish.
    """
    minutes = GOOD_FOR.total_seconds() / 60
    click.echo(f"open the link and consent; it is valid for {minutes:.0f} minutes, waiting …", err=True)
    last_message_at = time.monotonic()
    while True:
        progress = load_progress(database, authorization.state)
        if progress.failure is not None:
            raise UsageError(f"not connected: {progress.failure}")
        if progress.is_finished:
            return
        if progress.left.total_seconds() <= 0 and not progress.is_used:
            raise TransientError("no one consented in time; start again")
        if progress.left <= -LONGEST_EXCHANGE:
            raise TransientError(
                "someone consented, but openfaith-sync serve did not finish; see its log, then start again"
            )
        if time.monotonic() - last_message_at >= MESSAGE_SECONDS:
            last_message_at = time.monotonic()
            left = f"{progress.left.total_seconds() / 60:.0f} minutes left"
            click.echo(f"still waiting; {'someone consented' if progress.is_used else left}", err=True)
        time.sleep(POLL_SECONDS)  # the callback runs in another process, which cannot notify this one


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
    click.echo(f"connected {connected.org} to {where} (granted scopes: {', '.join(scopes) or 'none'})")
    click.echo(f"next: openfaith-sync sync {connected.org}")
