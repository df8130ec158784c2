"""Opens the source of a connection in the dialect its manifest names."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from openfaith_sync.adapters.client.account import AccountGuard
from openfaith_sync.adapters.client.allowed_requests import AllowedRequest, AllowedRequests, reads_of
from openfaith_sync.adapters.client.auth import Authorization
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.adapters.dialects.port import RecordSource, Subscriptions
from openfaith_sync.adapters.dialects.registry import SpokenDialect, speak
from openfaith_sync.adapters.ports.shared_state import Shared
from openfaith_sync.domain.connections.connection import Connection, Identity, OAuthTokens
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.ratelimit.lanes import Lane

# Somebody waits for the answer, and can ask again.
ATTEMPTS_TO_VERIFY = 2


@contextmanager
def open_source(
    manifest: Manifest,
    connection: Connection,
    shared: Shared | None = None,
    *,
    lane: Lane = Lane.INTERACTIVE,
    attempts: int | None = None,
    patience: timedelta | None = None,
) -> Iterator[RecordSource]:
    """Yield the connection's records for as long as the context lasts.

    ``shared`` is what all processes that use the connection have in common; without it
    nothing is renewed, nobody else learns what came of it, and nobody else is thought to send
    requests. ``patience`` is how long one question may take with all its waiting.
    """
    dialect = speak(manifest, connection.time_zone)
    with _open_client(manifest, connection, shared, dialect, lane=lane, attempts=attempts, patience=patience) as client:
        yield dialect.open_source(client)


@contextmanager
def open_subscription_source(
    manifest: Manifest,
    connection: Connection,
    shared: Shared | None = None,
    *,
    attempts: int | None = None,
    patience: timedelta | None = None,
) -> Iterator[Subscriptions]:
    """Yield the connection's webhook subscriptions for as long as the context lasts.

    Raises:
        DefinitionError: The adapter's source has no webhooks.
    """
    dialect = speak(manifest, connection.time_zone)
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
    """Prove that the source accepts the credentials, and return whom they belong to.

    Raises:
        AnotherAccount: They are of another account than the connection's.
        ReconnectRequired: The credentials are refused.
        TransientError: The source cannot be reached.
    """
    with open_source(manifest, connection, attempts=ATTEMPTS_TO_VERIFY, patience=patience) as source:
        return source.read_account()


def _open_client(
    manifest: Manifest,
    connection: Connection,
    shared: Shared | None,
    dialect: SpokenDialect,
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
        allowed=AllowedRequests(reads_of(manifest), writes),
        answers=dialect.answers,
    )


def _authorize(manifest: Manifest, connection: Connection, shared: Shared | None) -> Authorization:
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
