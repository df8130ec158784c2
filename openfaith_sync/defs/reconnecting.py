"""A connection whose credentials are refused is set aside until the org connects again."""

from collections.abc import Iterator
from contextlib import contextmanager

from openfaith_sync.domain.connection import Connection, ConnectionStatus
from openfaith_sync.domain.errors import ReconnectRequired
from openfaith_sync.store.connections import set_connection_status
from openfaith_sync.store.database import Database


@contextmanager
def noting_reconnect(database: Database, connection: Connection) -> Iterator[None]:
    """Mark the connection when the source refuses it in this block: nothing asks for it then (law 8)."""
    try:
        yield
    except ReconnectRequired as error:
        set_connection_status(
            database, connection.org, connection.adapter, ConnectionStatus.RECONNECT_NEEDED, str(error)
        )
        raise
