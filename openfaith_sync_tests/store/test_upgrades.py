"""A database of an earlier revision is upgraded whole or not at all, and nothing in it is lost.

The pattern for every migration that moves rows: a database is filled as the code before it filled one, in
statements over whole sets; what must be found afterwards is worked out of it in Python; and the upgrade is
killed at each of its statements.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import psutil
import psycopg
import pytest

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres.error_translation import translate
from openfaith_sync.store.postgres.statements import fetch_one
from openfaith_sync.store.schema.migrate import migrate
from openfaith_sync.store.schema.row_level_security import has_row_level_security
from openfaith_sync_tests.conftest import settings_for
from openfaith_sync_tests.forking import PipedFork, fork_server
from openfaith_sync_tests.store.former_links import Connection, fill
from openfaith_sync_tests.store.upgraded_rows import (
    load_book_columns,
    load_books,
    load_commented,
    load_former_rows,
    load_rows,
    load_survivors,
)

FORMER = "0013"
FEW, MANY = 200, 20_000
FEWEST_STATEMENTS = 90
SIGKILLED = -9
SECONDS = 300
LOOKS = 3_000
LINKS, DROPPED = "sync.external_links", {("sync.passes", "canonical_table")}
"""The table and the column that go."""
WAITS_FOR_A_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
OLD_PAGE = "SELECT sync.check_lease('grace', 'pco', 'person', 41)"
"""What a page begins with, from a session of the former code: it names no revision."""
_numbers = count()

Former = Callable[[int], DatabaseUrl]


@pytest.fixture(scope="module")
def templates(postgres_url: str) -> Iterator[Callable[[int], str]]:
    """Gives the name of a filled database of the former revision, which nobody connects to."""
    made: dict[int, str] = {}

    def make(people: int) -> str:
        if people not in made:
            name = f"former_{people}"
            url = DatabaseUrl.parse(postgres_url).with_database(name)
            run_on(postgres_url, f"CREATE DATABASE {name}")
            migrate(url, FORMER)
            with connecting(url) as connection:
                fill(connection, people)
            made[people] = name
        return made[people]

    yield make
    for name in made.values():
        run_on(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def former(postgres_url: str, templates: Callable[[int], str]) -> Iterator[Former]:
    """Gives a database of the former revision with so many people."""
    name = f"upgraded_{next(_numbers)}"

    def copy(people: int) -> DatabaseUrl:
        run_on(postgres_url, f"CREATE DATABASE {name} TEMPLATE {templates(people)} STRATEGY file_copy")
        return DatabaseUrl.parse(postgres_url).with_database(name)

    yield copy
    run_on(postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def connecting(url: DatabaseUrl) -> Iterator[Connection]:
    with psycopg.connect(url.libpq, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET lock_timeout = '60s'")
        yield connection


def run_on(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


class Held:
    """What a database of the former revision held."""

    def __init__(self, url: DatabaseUrl) -> None:
        """Read it."""
        self.url = url
        with connecting(url) as connection:
            self.rows = load_former_rows(connection)
            self.survivors = load_survivors(connection, is_former=True)
            self.columns = load_book_columns(connection)
            self.books = load_books(connection, self.columns)
            self.commented = load_commented(connection)

    def assert_untouched(self) -> None:
        """Check that nothing of an upgrade is in the database, nor any lock of it."""
        with connecting(self.url) as connection:
            assert connection.execute("SELECT version_num FROM sync.alembic_version").fetchall() == [(FORMER,)]
            assert load_former_rows(connection) == self.rows
            assert load_books(connection, self.columns) == self.books

    def assert_upgraded(self) -> None:
        """Check that everything is found again after the upgrade."""
        with connecting(self.url) as connection:
            found = load_rows(connection)
            assert found.keys() == self.rows.keys()
            assert found == self.rows
            assert load_survivors(connection, is_former=False) == self.survivors
            assert load_books(connection, self.columns) == self.books
            assert {one for one in self.commented - load_commented(connection) if one[0] != LINKS} == DROPPED
            assert has_row_level_security(connection)


@contextmanager
def upgrading(url: DatabaseUrl, action: str = "run", number: int = 0) -> Iterator[PipedFork]:
    """Upgrade in a process of its own, which ends or stops itself at one statement."""
    process = fork_server("openfaith_sync_tests.store.upgrading").start(url.libpq, action, str(number))
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        try:
            yield process
        finally:
            process.kill()
            process.wait(SECONDS)


def upgrade(url: DatabaseUrl, action: str = "run", number: int = 0) -> tuple[int, int]:
    """Return the exit status of an upgrade, and how many statements it took if it came to its end."""
    with upgrading(url, action, number) as process:
        status = process.wait(SECONDS)
        assert process.stdout is not None
        return status, int(process.stdout.read() or 0)


def wait_until_it_stopped(process: PipedFork, connection: Connection) -> None:
    """Return once an upgrade has come to the statement at which it stops."""
    wait_until(connection, lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)


def wait_until_one_waits(connection: Connection) -> None:
    """Return once a session waits for a lock."""
    wait_until(connection, lambda: bool(fetch_one(connection, WAITS_FOR_A_LOCK, ())[0]))


def wait_until(connection: Connection, is_so: Callable[[], bool]) -> None:
    for _ in range(LOOKS):
        if is_so():
            return
        connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("it never came about")


@pytest.mark.parametrize("people", [FEW, MANY])
def test_every_row_is_found_again_with_its_link(former: Former, people: int) -> None:
    held = Held(former(people))
    assert len(held.rows) > 3 * people
    open_database(settings_for(held.url))
    held.assert_upgraded()


@pytest.mark.long
def test_killed_at_each_statement_it_leaves_everything_as_it_was(former: Former) -> None:
    held = Held(former(FEW))
    status, kills = SIGKILLED, 0
    while status == SIGKILLED:
        status, statements = upgrade(held.url, "kill", kills + 1)
        if status == SIGKILLED:
            kills += 1
            held.assert_untouched()
    assert (status, statements) == (0, kills)
    assert kills > FEWEST_STATEMENTS
    held.assert_upgraded()


def test_with_many_people_it_is_killed_and_run_again(former: Former) -> None:
    held = Held(former(MANY))
    for number in (20, 45, 70):
        assert upgrade(held.url, "kill", number)[0] == SIGKILLED
    held.assert_untouched()
    assert upgrade(held.url)[0] == 0
    held.assert_upgraded()


def test_who_waits_goes_on_where_the_one_that_upgrades_is_killed(former: Former) -> None:
    held = Held(former(FEW))
    with connecting(held.url) as connection, upgrading(held.url, "stop", 60) as stopped:
        wait_until_it_stopped(stopped, connection)
        with upgrading(held.url) as waiting:
            wait_until_one_waits(connection)
            stopped.kill()
            assert waiting.wait(SECONDS) == 0
        assert stopped.wait(SECONDS) == SIGKILLED
    held.assert_upgraded()


def test_it_waits_for_the_page_that_is_being_committed_and_refuses_the_next(former: Former) -> None:
    url = former(FEW)
    with connecting(url) as worker, connecting(url) as connection:
        with worker.transaction():
            worker.execute(OLD_PAGE)
            with upgrading(url) as process:
                wait_until_one_waits(connection)
                worker.execute("UPDATE sync.external_links SET content_hash = 'new' WHERE external_id = '7'")
                worker.execute("UPDATE openfaith.people SET name = 'New' WHERE first_name = 'Anna 7'")
                worker.execute("COMMIT; BEGIN")
                assert process.wait(SECONDS) == 0
        found = connection.execute("SELECT content_hash FROM openfaith.people WHERE name = 'New' AND org_id = 'grace'")
        assert found.fetchall() == [(b"new",)]
        with pytest.raises(psycopg.Error) as refusal:
            worker.execute(OLD_PAGE)
    told = translate(refusal.value)
    assert type(told) is DefinitionError
    assert "was migrated to revision" in str(told)
    assert "running code for an earlier revision" in str(told)


def test_a_page_that_begins_during_the_upgrade_waits_and_then_finds_no_links(former: Former) -> None:
    held = Held(former(FEW))
    page = f"{OLD_PAGE}; UPDATE openfaith.people SET name = 'Old'; DELETE FROM sync.external_links"
    with (
        connecting(held.url) as worker,
        connecting(held.url) as connection,
        ThreadPoolExecutor(1) as thread,
        upgrading(held.url, "stop", 60) as process,
    ):
        wait_until_it_stopped(process, connection)
        committing = thread.submit(worker.execute, page.encode())
        wait_until_one_waits(connection)
        process.send_signal(signal.SIGCONT)
        with pytest.raises(psycopg.errors.UndefinedTable):
            committing.result()
        assert process.wait(SECONDS) == 0
    held.assert_upgraded()


def test_what_an_operator_built_on_the_tables_stays(former: Former, postgres_url: str) -> None:
    url = former(FEW)
    reader = f"reader_{os.getpid()}"
    with connecting(url) as connection:
        connection.execute("CREATE VIEW public.directory AS SELECT org_id, id, last_name FROM openfaith.people")
        connection.execute("CREATE INDEX by_name ON openfaith.people (last_name)")
        connection.execute(
            f"CREATE ROLE {reader}; GRANT SELECT ON openfaith.people, public.directory TO {reader}".encode()
        )
        try:
            before = connection.execute("SELECT * FROM public.directory ORDER BY org_id, id").fetchall()
            open_database(settings_for(url))
            after = connection.execute("SELECT * FROM public.directory ORDER BY org_id, id").fetchall()
            assert [row for row in after if row in set(before)] == before
            assert connection.execute(
                "SELECT has_table_privilege(%s, 'openfaith.people', 'SELECT'), to_regclass('openfaith.by_name')::text",
                (reader,),
            ).fetchall() == [(True, "openfaith.by_name")]
        finally:
            connection.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}".encode())


def test_what_depends_on_the_links_is_named_and_nothing_changes(former: Former) -> None:
    held = Held(former(FEW))
    with connecting(held.url) as connection:
        connection.execute("CREATE VIEW public.sources AS SELECT external_id, entity_id FROM sync.external_links")
        with pytest.raises(DefinitionError, match=r"view sources depends on table sync\.external_links; drop"):
            open_database(settings_for(held.url))
        held.assert_untouched()
        connection.execute("DROP VIEW public.sources")
    open_database(settings_for(held.url))
    held.assert_upgraded()
