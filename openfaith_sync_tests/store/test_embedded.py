"""The embedded server starts once for all, and stops with the last process that uses it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from openfaith_sync.domain.errors import DefinitionError, TransientError
from openfaith_sync.store.postgres.embedded_server import _forget_stale_pid, start_embedded, stop_embedded
from openfaith_sync.store.postgres.socket_folder import require_private
from openfaith_sync_tests.processes import read_line

USE = """
import sys
from pathlib import Path
import psycopg
from openfaith_sync.store.postgres.embedded_server import start_embedded
with psycopg.connect(start_embedded(Path(sys.argv[1]))) as connection:
    query = "SELECT pg_postmaster_start_time()::text, current_setting('max_connections')"
    print(connection.execute(query).fetchone(), flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the server until it is let go."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-W", "error", "-c", USE, str(home)]
        environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)

    def answer(self) -> str:
        return read_line(self.process)

    def leave(self) -> str:
        """Wait for its end; return what it wrote to standard error."""
        return self.process.communicate(timeout=60)[1]

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def home() -> Iterator[Path]:
    # The name has a space, and is too long for a socket's path.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "a church" / ("x" * 90)
        yield home
        stop_embedded(home)


def is_alive(process: psutil.Process | None) -> bool:
    # Nobody may be there to bury an ended server whose parent ended before it.
    return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def server(home: Path) -> psutil.Process | None:
    """Return the server's process, or nothing."""
    path = home / "postgres" / "postmaster.pid"
    return psutil.Process(int(path.read_text().splitlines()[0])) if path.exists() else None


def test_many_may_start_it_at_once_and_the_last_one_stops_it(home: Path) -> None:
    users = [User(home) for _ in range(3)]
    answers = {user.answer() for user in users}
    assert len(answers) == 1
    assert "'200'" in answers.pop()
    running = server(home)
    assert [user.leave() for user in users[:2]] == ["", ""]
    assert is_alive(running)
    users[0] = User(home)
    users[0].answer()
    # A killed process says no goodbye, and is not waited for either.
    users[2].kill()
    assert is_alive(running)
    assert users[0].leave() == ""
    assert server(home) is None
    assert not is_alive(running)


def test_a_killed_last_process_leaves_a_server_that_the_next_one_uses_and_stops(home: Path) -> None:
    first = User(home)
    started = first.answer()
    first.kill()
    assert is_alive(server(home))
    second = User(home)
    assert second.answer() == started
    second.leave()
    assert server(home) is None


def test_it_can_be_stopped_by_hand(home: Path) -> None:
    user = User(home)
    user.answer()
    running = server(home)
    command = [sys.executable, "-m", "openfaith_sync.store.embedded", "stop", str(home)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stderr == ""
    assert not is_alive(running)
    assert stop_embedded(home) is False
    assert user.leave() == ""
    assert stop_embedded(home / "nothing") is False


def test_another_programs_process_id_is_not_taken_for_the_server(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n0\n5432\n{tmp_path}\n\n0 0\nready\n")
    _forget_stale_pid(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


ODD = {
    "a locale that is not installed": {"LANG": "xx_XX.UTF-8", "LC_ALL": "xx_XX.UTF-8", "LC_MESSAGES": "xx_XX"},
    "another server's address": {"PGHOST": "db.invalid", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGUSER": "x"},
    "another server's database": {"PGDATABASE": "nowhere", "PGSERVICE": "nothing", "PGSERVICEFILE": "/nonexistent"},
    "another server's security": {
        "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nonexistent", "PGREQUIREAUTH": "scram-sha-256",
        "PGCHANNELBINDING": "require", "PGGSSENCMODE": "require", "PGTARGETSESSIONATTRS": "standby",
        "PGSSLNEGOTIATION": "direct",
    },
    "another session's settings": {
        "PGOPTIONS": "-c default_transaction_read_only=on -c search_path=nowhere", "PGDATESTYLE": "German, DMY",
        "PGCLIENTENCODING": "LATIN1", "PGTZ": "Asia/Tokyo", "PGDATA": "/nonexistent",
    },
}  # fmt: skip

CLIENTS = """
import os, subprocess, sys
from pathlib import Path
import psycopg, psycopg2, sqlalchemy
from openfaith_sync.store.postgres.embedded_server import start_embedded
from openfaith_sync.store.postgres.database_url import DatabaseUrl
url = DatabaseUrl.parse(start_embedded(Path(sys.argv[1])))
query = "SELECT current_user || ' ' || current_database() || ' ' || to_char(DATE '2025-01-31', 'YYYY') || ' ' \
    || current_setting('default_transaction_read_only') || ' ' || current_setting('DateStyle') || ' ' \
    || current_setting('client_encoding')"
with psycopg.connect(url.libpq) as connection:
    print(connection.execute(query).fetchone()[0])
for form in (url.sqlalchemy, url.dagster("dagster")):
    with sqlalchemy.create_engine(form).connect() as connection:
        print(connection.execute(sqlalchemy.text(query)).scalar())
child = "import psycopg, sys; print(psycopg.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])"
subprocess.run([sys.executable, "-c", child, url.libpq, query], check=True)
"""


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"
        stop_embedded(Path(folder) / "home")


@pytest.mark.parametrize("odd", ODD)
def test_it_starts_and_its_clients_find_it_whatever_the_environment_holds(shared_home: Path, odd: str) -> None:
    command = [sys.executable, "-c", CLIENTS, str(shared_home)]
    done = subprocess.run(command, env={**os.environ, **ODD[odd]}, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["postgres postgres 2025 off ISO, MDY UTF8"] * 4


def test_a_new_database_sorts_and_folds_letters_as_unicode_does(shared_home: Path) -> None:
    with psycopg.connect(start_embedded(shared_home)) as connection:
        folded = connection.execute("SELECT lower('ÉÜŁ'), upper('éüł'), current_setting('server_encoding')").fetchone()
    assert folded == ("éüł", "ÉÜŁ", "UTF8")


def test_when_it_cannot_be_made_it_says_so_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").write_text("a file where its folder is made")
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").mkdir()
    with pytest.raises(TransientError, match=r"the embedded PostgreSQL in .* did not start: "):
        start_embedded(tmp_path)


def test_when_it_cannot_start_it_says_what_it_logged(home: Path) -> None:
    start_embedded(home)
    stop_embedded(home)
    settings = home / "postgres" / "postgresql.conf"
    settings.write_text(settings.read_text() + "\nshared_buffers = 'many'\n")
    with pytest.raises(TransientError, match="invalid value for parameter") as failure:
        start_embedded(home)
    assert "\n" not in str(failure.value)
    assert str(home / "postgres" / "log") in str(failure.value)


@pytest.mark.parametrize("kind", ["open", "another's", "a link"])
def test_a_socket_folder_that_others_may_have_made_is_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "socket"
    place.mkdir(mode=0o700)
    mine = tmp_path.stat().st_uid
    require_private(place, mine)
    if kind == "open":
        place.chmod(0o777)
    elif kind == "a link":
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DefinitionError, match="is not private to the server's user"):
        require_private(place, mine + (kind == "another's"))


def test_a_server_in_a_socket_folder_of_somebody_else_is_not_talked_to(home: Path) -> None:
    user = User(home)
    user.answer()
    folder = Path((home / "postgres" / "postmaster.pid").read_text().splitlines()[4])
    assert folder.name.startswith("openfaith-")
    folder.chmod(0o755)
    try:
        with pytest.raises(DefinitionError, match="is not private to the server's user"):
            start_embedded(home)
    finally:
        folder.chmod(0o700)
        user.leave()
