"""A database is found under any common form of its URL; when it is not, one clear line says why."""

import traceback

import pytest

from openfaith_sync.domain.errors import DefinitionError, SyncError, TransientError, UsageError
from openfaith_sync.store.database import database as opening
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync_tests.conftest import settings_for

WITH_PASSWORD = "://church:s3cret@db.example.org:5433/faith?sslmode=require&options=-cwork_mem%3D8MB"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_common_form_is_understood(scheme: str) -> None:
    url = DatabaseUrl.parse(scheme + WITH_PASSWORD)
    assert url.libpq == "postgresql" + WITH_PASSWORD
    assert url.sqlalchemy == "postgresql+psycopg" + WITH_PASSWORD
    assert url.dagster("dagster").startswith(
        "postgresql+psycopg2://church:s3cret@db.example.org:5433/faith?sslmode=require"
    )
    assert url.dagster("dagster").endswith("options=-cwork_mem%3D8MB%20-csearch_path%3Ddagster")


def test_a_url_is_shown_without_its_password() -> None:
    url = DatabaseUrl.parse("postgresql" + WITH_PASSWORD)
    assert str(url) == "postgresql://church@db.example.org:5433/faith"
    assert "s3cret" not in repr(url)


@pytest.mark.parametrize("wrong", ["mysql://root:s3cret@h/d", "host=h password=s3cret", "sqlite:///s3cret"])
def test_another_kind_of_url_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(UsageError, match="must begin with postgresql://") as refusal:
        DatabaseUrl.parse(wrong)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "kind", "says"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/x", TransientError, "cannot be reached"),
        ("postgresql://me:s3cret@nowhere.invalid/x", TransientError, "cannot be reached"),
        ("postgresql://me:s3cret@h/x?colour=red", UsageError, "a part that PostgreSQL does not know"),
        ("postgresql://me:s3cret@[h/x", UsageError, "is not a URL"),
    ],
)
def test_an_unreachable_database_is_one_clear_line_without_the_password(
    url: str, kind: type[SyncError], says: str
) -> None:
    with pytest.raises(kind, match=says) as failure:
        open_database(settings_for(DatabaseUrl(url)))
    assert "s3cret" not in "".join(traceback.format_exception(failure.value, limit=0))
    assert "\n" not in str(failure.value)


def test_a_database_that_does_not_exist_is_a_mistake_of_ours(empty_url: DatabaseUrl) -> None:
    with pytest.raises(DefinitionError, match='refuses the connection: database "nobody" does not exist'):
        open_database(settings_for(empty_url.with_database("nobody")))


def test_a_server_that_is_too_old_is_refused(empty_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "OLDEST_SERVER", 990000)
    with pytest.raises(DefinitionError, match=r"is PostgreSQL \d+; at least 99 is required"):
        open_database(settings_for(empty_url))


def test_dagster_has_a_schema_of_its_own(database: Database) -> None:
    psycopg2 = pytest.importorskip("psycopg2")
    plain = database.dagster_url.replace("postgresql+psycopg2", "postgresql")
    connection = psycopg2.connect(plain)
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == ("dagster",)
        cursor.execute("CREATE TABLE runs ()")
        cursor.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'runs'")
        assert cursor.fetchone() == ("dagster",)
    connection.close()


def test_a_database_that_vanished_keeps_nobody_waiting_for_long(database: Database) -> None:
    with database.connect_fleet() as session:
        told = session.info.get_parameters()
    assert told["tcp_user_timeout"] == "60000"
    assert (told["keepalives_idle"], told["keepalives_interval"], told["keepalives_count"]) == ("30", "10", "3")
