"""A pool of connections that each see one org at a time."""

import logging
from typing import LiteralString

import psycopg_pool

from openfaith_sync.domain.ids import NOBODY
from openfaith_sync.store.database.database import CONNECTION_OPTIONS, ORG_SESSION, Database, begin_session
from openfaith_sync.store.postgres.statements import Connection

ConnectionPool = psycopg_pool.ConnectionPool[Connection]

# It warns of each attempt; whoever waits for a connection gets the error itself.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def build_pool(database: Database, size: int, session: LiteralString) -> ConnectionPool:
    """Return a pool that connects on demand and is not open yet; its connections see no org until they enter one.

    ``session`` is executed once on each new connection.
    """

    def configure(connection: Connection) -> None:
        begin_session(connection, ORG_SESSION, (NOBODY,))
        connection.execute(session)

    return psycopg_pool.ConnectionPool(
        database.libpq_url,
        kwargs=dict(CONNECTION_OPTIONS),
        configure=configure,
        min_size=0,
        max_size=size,
        # An attempt that failed is given up, so that the next request for a connection makes a new one at once.
        reconnect_timeout=0,
        open=False,
    )
