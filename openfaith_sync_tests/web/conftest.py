from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest

from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync_tests.conftest import SECRET_KEY
from openfaith_sync_tests.store.making import run
from openfaith_sync_tests.web.making import ORG, headers
from openfaith_sync_tests.web.receiver import Receiver, running_receiver

Send = Callable[..., httpx.Response]
NAME = "test_web"


@pytest.fixture(scope="module")
def standing(
    postgres_url: str, _template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Receiver]]:
    """A receiver that keeps no secret longer than a request, so that each test may change them."""
    home = tmp_path_factory.mktemp("web")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {NAME} TEMPLATE {_template} STRATEGY file_copy".encode())
        database = Database(DatabaseUrl.parse(postgres_url).with_database(NAME), SecretKeys(home, (SECRET_KEY,)))
        with running_receiver(database, {"secrets_seconds": 0, "refused_burst": 100_000}) as receiver:
            yield database, receiver
        server.execute(f"DROP DATABASE {NAME} WITH (FORCE)".encode())


@pytest.fixture
def stored(standing: tuple[Database, Receiver]) -> Database:
    """The standing receiver's database, empty again."""
    database = standing[0]
    for table in ("webhook_events", "webhook_subscriptions", "connections", "accounts"):
        run(database, f"DELETE FROM sync.{table}")
    return database


@pytest.fixture
def receiver(standing: tuple[Database, Receiver], stored: Database) -> Receiver:
    return standing[1]


@pytest.fixture
def send(receiver: Receiver) -> Iterator[Send]:
    """Posts bytes as the source does; the signature is right unless told otherwise."""
    with httpx.Client(trust_env=False, timeout=20) as client:

        def post(content: bytes, org: str = ORG, adapter: str = "pco", **signing: str) -> httpx.Response:
            return client.post(receiver.at(org, adapter), content=content, headers=headers(content, **signing))

        yield post
