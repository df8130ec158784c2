"""Parse and validate the options of commands that connect an org; error messages never repeat a secret."""

import sys
from urllib.parse import urlsplit

import click

from openfaith_sync.commands.deployment import Deployment
from openfaith_sync.domain.connections.connection import BasicCredentials, BearerToken
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import OrgId, parse_org
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.subscription import parse_public_url


def parse_name(text: str) -> OrgId:
    """Parse an org's name."""
    try:
        return parse_org(text)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


def parse_base_url(text: str) -> str:
    """Parse a base URL, and remove its trailing slash."""
    expected = "expected http(s)://host[:port][/path] without user, query or fragment"
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.username or parts.password or parts.query or parts.fragment or any(map(str.isspace, text)):
        raise click.BadParameter(expected, param_hint="--base-url")
    return text.rstrip("/")


def read_credentials(
    basic: str | None, *, is_basic_from_stdin: bool, is_bearer_from_stdin: bool, is_token_from_stdin: bool
) -> BasicCredentials | BearerToken:
    """Return the credentials from the one option that supplies them."""
    if (basic is not None) + is_basic_from_stdin + is_bearer_from_stdin + is_token_from_stdin != 1:
        raise click.UsageError(
            "specify the credentials with exactly one of --basic ID:SECRET, --basic-stdin, --bearer-stdin "
            "and --token-stdin"
        )
    if is_bearer_from_stdin or is_token_from_stdin:
        return parse_bearer(_read_secret("TOKEN"))
    return parse_basic(_read_secret("ID:SECRET") if basic is None else basic)


def require_accepted(manifest: Manifest, credentials: BasicCredentials | BearerToken) -> None:
    """Return if an adapter's source takes credentials of this kind.

    Raises:
        UsageError: It takes others; nothing was sent.
    """
    wanted = {"basic"} if isinstance(credentials, BasicCredentials) else {"bearer", "token"}
    if not wanted & set(manifest.adapter_file.auth.methods):
        ways = {"basic": "--basic-stdin", "bearer": "--bearer-stdin", "token": "--token-stdin"}
        methods = manifest.adapter_file.auth.methods
        others = " or ".join(ways.get(method, "openfaith-sync org connect") for method in methods)
        raise UsageError(f"{manifest.adapter_file.title} does not take such credentials; use {others}")


def require_public_url(deployment: Deployment, otherwise: str = "") -> str:
    """Return the URL at which people and sources reach ``serve``.

    Raises:
        UsageError: It is not set.
    """
    public_url = deployment.settings.public_url
    if public_url is None:
        raise UsageError(
            "OPENFAITH_PUBLIC_URL is not set; set it to the URL at which sources reach openfaith-sync serve" + otherwise
        )
    return parse_public_url(public_url)


def _read_secret(what: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True))
    return sys.stdin.readline().strip()


def parse_basic(text: str) -> BasicCredentials:
    """Parse an application id and its secret."""
    application_id, _, secret = text.partition(":")
    if not application_id or not secret or any(character.isspace() for character in text):
        raise click.BadParameter("expected ID:SECRET, an application id, a colon and its secret", param_hint="--basic")
    return BasicCredentials(application_id, secret)


def parse_bearer(text: str) -> BearerToken:
    """Parse a token."""
    if not text or not text.isascii() or any(character.isspace() for character in text):
        raise click.BadParameter("expected a token, without spaces", param_hint="--bearer-stdin")
    return BearerToken(text)
