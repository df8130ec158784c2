"""Opens the source of a connection in the dialect its manifest names."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from openfaith_sync.adapters.client.account import AccountGuard
from openfaith_sync.adapters.client.allowed_requests import AllowedRequest, AllowedRequests, allowed_reads
from openfaith_sync.adapters.client.auth import Authorization
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.adapters.dialects.port import RecordSource, Subscriptions
from openfaith_sync.adapters.dialects.registry import BoundDialect, open_dialect
from openfaith_sync.adapters.ports.shared_state import SharedState
from openfaith_sync.domain.connections.connection import Connection, Identity, OAuthTokens
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.ratelimit.lanes import Lane

# A person waits for the result, and can try again.
ATTEMPTS_TO_VERIFY = 2


@contextmanager
def open_source(
    manifest: Manifest,
    connection: Connection,
    shared: SharedState | None = None,
    *,
    lane: Lane = Lane.INTERACTIVE,
    attempts: int | None = None,
    patience: timedelta | None = None,
) -> Iterator[RecordSource]:
    """Yield the connection's records; the client is closed when the block ends.

    ``shared`` is the state that all processes that use the connection share. Without it, credentials are
    not renewed, other processes learn of no failures, and the client assumes that no other process sends
    requests. ``patience`` is how long one request may take with all its retries and waiting.
    """
    dialect = open_dialect(manifest, connection.time_zone)
    with _open_client(manifest, connection, shared, dialect, lane=lane, attempts=attempts, patience=patience) as client:
        yield dialect.open_source(client)


@contextmanager
def open_subscription_source(
    manifest: Manifest,
    connection: Connection,
    shared: SharedState | None = None,
    *,
    attempts: int | None = None,
    patience: timedelta | None = None,
) -> Iterator[Subscriptions]:
    """Yield the connection's webhook subscriptions; the client is closed when the block ends.

    Raises:
        DefinitionError: The manifest has no webhooks.
    """
    dialect = open_dialect(manifest, connection.time_zone)
    webhooks = dialect.webhooks
    if webhooks is None:
        raise DefinitionError(f"the {manifest.adapter} manifest has no webhooks")
    with _open_client(
        manifest,
        connection,
        shared,
        dialect,
        attempts=attempts,
        patience=patience,
        writes=webhooks.allowed_requests(),
    ) as client:
        yield webhooks.open_subscriptions(client)


def verify_connection(manifest: Manifest, connection: Connection, patience: timedelta | None = None) -> Identity:
    """Verify the credentials at the source, and return whom they belong to.

    Raises:
        AnotherAccount: The credentials belong to another account than the connection.
        ReconnectRequired: The source rejected the credentials.
        TransientError: The source cannot be reached.
    """
    with open_source(manifest, connection, attempts=ATTEMPTS_TO_VERIFY, patience=patience) as source:
        return source.read_account()


def _open_client(
    manifest: Manifest,
    connection: Connection,
    shared: SharedState | None,
    dialect: BoundDialect,
    *,
    attempts: int | None,
    patience: timedelta | None,
    lane: Lane = Lane.INTERACTIVE,
    writes: Iterable[AllowedRequest] = (),
) -> HttpClient:
    adapter_file = manifest.adapter_file
    return HttpClient(
        connection.base_url,
        _authorize(manifest, connection, shared),
        adapter_file,
        attempts=attempts,
        patience=patience,
        ledger=shared.ledger if shared else None,
        lane=lane,
        breaker=shared.breaker if shared else None,
        account=AccountGuard(
            connection,
            shared.account.learn if shared else None,
            is_stated=adapter_file.states_account,
            is_stated_in_answers=adapter_file.states_account_in_answers,
        ),
        allowed=AllowedRequests(allowed_reads(manifest), writes),
        answers=dialect.answers,
    )


def _authorize(manifest: Manifest, connection: Connection, shared: SharedState | None) -> Authorization:
    place = manifest.adapter_file.auth.token
    if shared is None:
        return Authorization(connection, place=place)
    if not isinstance(connection.credentials, OAuthTokens):
        return Authorization(connection, shared.tokens, place=place)
    endpoints = OAuthEndpoints(manifest.adapter_file, connection.base_url, shared.client)
    ahead = timedelta(seconds=endpoints.oauth2.refresh_ahead_seconds)
    return Authorization(
        connection, shared.tokens, lambda held: endpoints.refresh(held.refresh_token, held.scopes), ahead
    )
