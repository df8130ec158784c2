"""Opens the source of a connection in the dialect its manifest names."""

from collections.abc import Iterator
from contextlib import contextmanager

from openfaith_sync.adapters.auth import authorization
from openfaith_sync.adapters.http import HttpClient
from openfaith_sync.adapters.json_api import JsonApiSource
from openfaith_sync.adapters.subscriptions import JsonApiSubscriptions
from openfaith_sync.domain.connection import Connection
from openfaith_sync.domain.manifest import Manifest

# Somebody waits for the answer, and can ask again.
ATTEMPTS_TO_VERIFY = 2


@contextmanager
def open_source(manifest: Manifest, connection: Connection, *, attempts: int | None = None) -> Iterator[JsonApiSource]:
    """Give the connection's records for as long as the context lasts."""
    secret = authorization(connection.credentials)
    with HttpClient(connection.base_url, secret, manifest.adapter_file, attempts=attempts) as client:
        yield JsonApiSource(manifest, client)


@contextmanager
def open_subscription_source(
    manifest: Manifest, connection: Connection, *, attempts: int | None = None
) -> Iterator[JsonApiSubscriptions]:
    """Give the connection's webhook subscriptions for as long as the context lasts.

    Raises:
        DefinitionError: The adapter's source has no webhooks.
    """
    secret = authorization(connection.credentials)
    with HttpClient(connection.base_url, secret, manifest.adapter_file, attempts=attempts) as client:
        yield JsonApiSubscriptions(manifest, client)


def verify_connection(manifest: Manifest, connection: Connection) -> str:
    """Prove that the source accepts the credentials; gives the id of the account they act as.

    Raises:
        ReconnectRequired: The credentials are refused.
        TransientError: The source cannot be reached.
    """
    with open_source(manifest, connection, attempts=ATTEMPTS_TO_VERIFY) as source:
        return source.read_account()
