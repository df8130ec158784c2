"""Fixtures of the store's tests."""

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from openfaith_sync.store.postgres.database_url import DatabaseUrl


class Login(Protocol):
    """Makes a login with these attributes; the first one owns the database."""

    def __call__(self, attributes: str, name: str = "owner") -> DatabaseUrl: ...


@pytest.fixture
def login(empty_url: DatabaseUrl) -> Iterator[Login]:
    """Makes logins that own an empty database, with these attributes; they go with it."""
    made: list[str] = []

    def make(attributes: str, name: str = "owner") -> DatabaseUrl:
        full = f"{name}_{empty_url.libpq.rpartition('/')[2].partition('?')[0]}"
        with psycopg.connect(empty_url.libpq, autocommit=True) as server:
            server.execute(f"CREATE ROLE {full} LOGIN {attributes}".encode())
            if name == "owner":
                server.execute(f"ALTER DATABASE {urlsplit(empty_url.libpq).path[1:]} OWNER TO {full}".encode())
        made.append(full)
        parts = urlsplit(empty_url.libpq)
        return DatabaseUrl(urlunsplit(parts._replace(netloc=f"{full}@{parts.netloc.rpartition('@')[2]}")))

    yield make
    with psycopg.connect(empty_url.libpq, autocommit=True) as server:
        ours = [f"openfaith_{kind}_{digest}" for (digest,) in server.execute(
            "SELECT left(md5(name), 12) FROM unnest(%s::text[]) AS name", (made,)
        ) for kind in ("engine", "tables", "query")]  # fmt: skip
        server.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")
        for role in [*ours, *made]:
            if server.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None:
                server.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER".encode())
                server.execute(f"DROP OWNED BY {role}".encode())
        for role in [*ours, *made]:
            server.execute(f"DROP ROLE IF EXISTS {role}".encode())
