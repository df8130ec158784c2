"""What people give to commands about a connection, read and checked; a refusal repeats no secret."""

import sys
from urllib.parse import urlsplit

import click

from openfaith_sync.domain.connections.connection import BasicCredentials, BearerToken
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import OrgId, parse_org


def parse_name(given: str) -> OrgId:
    """Return an org's name."""
    try:
        return parse_org(given)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


def parse_base_url(given: str) -> str:
    """Return a URL of a host and a path, without a slash at its end."""
    wanted = "expected http(s)://host[:port][/path] without user, query or fragment"
    try:
        parts = urlsplit(given)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_right = False
    if (
        not is_right
        or parts.username
        or parts.password
        or parts.query
        or parts.fragment
        or any(map(str.isspace, given))
    ):
        raise click.BadParameter(wanted, param_hint="--base-url")
    return given.rstrip("/")


def read_credentials(
    basic: str | None, *, is_basic_from_stdin: bool, is_bearer_from_stdin: bool
) -> BasicCredentials | BearerToken:
    """Return the credentials of the one way in which they were given."""
    if (basic is not None) + is_basic_from_stdin + is_bearer_from_stdin != 1:
        raise click.UsageError("give the credentials with either --basic ID:SECRET, --basic-stdin or --bearer-stdin")
    if is_bearer_from_stdin:
        return _parse_bearer(_read_secret("TOKEN"))
    return _parse_basic(_read_secret("ID:SECRET") if basic is None else basic)


def _read_secret(what: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True))
    return sys.stdin.readline().strip()


def _parse_basic(given: str) -> BasicCredentials:
    application_id, _, secret = given.partition(":")
    if not application_id or not secret or any(character.isspace() for character in given):
        raise click.BadParameter("expected ID:SECRET, an application id, a colon and its secret", param_hint="--basic")
    return BasicCredentials(application_id, secret)


def _parse_bearer(given: str) -> BearerToken:
    if not given or not given.isascii() or any(character.isspace() for character in given):
        raise click.BadParameter("expected a token, without spaces", param_hint="--bearer-stdin")
    return BearerToken(given)
