"""The embedded server starts once for all, and stops with the last process that uses it."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from openfaith_sync.store.embedded import _forget_stale_pid, stop_embedded

USE = """
import sys
from pathlib import Path
import psycopg
from openfaith_sync.store.embedded import start_embedded
with psycopg.connect(start_embedded(Path(sys.argv[1]))) as connection:
    query = "SELECT pg_postmaster_start_time()::text, current_setting('max_connections')"
    print(connection.execute(query).fetchone(), flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the server until it is let go."""

    def __init__(self, home):
        command = [sys.executable, "-W", "error", "-c", USE, str(home)]
        environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)

    def answer(self):
        return self.process.stdout.readline()

    def leave(self):
        """Let it end by itself; give what it said against anything."""
        return self.process.communicate(timeout=60)[1]

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def home():
    # The name has a space, and is too long for a socket's path.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "a church" / ("x" * 90)
        yield home
        stop_embedded(home)


def is_alive(process):
    # Nobody may be there to bury an ended server whose parent ended before it.
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def server(home):
    """Give the server's process, or nothing."""
    path = home / "postgres" / "postmaster.pid"
    return psutil.Process(int(path.read_text().splitlines()[0])) if path.exists() else None


def test_many_may_start_it_at_once_and_the_last_one_stops_it(home):
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


def test_a_killed_last_process_leaves_a_server_that_the_next_one_uses_and_stops(home):
    first = User(home)
    started = first.answer()
    first.kill()
    assert is_alive(server(home))
    second = User(home)
    assert second.answer() == started
    second.leave()
    assert server(home) is None


def test_it_can_be_stopped_by_hand(home):
    user = User(home)
    user.answer()
    running = server(home)
    command = [sys.executable, "-m", "openfaith_sync.store.embedded", "stop", str(home)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stderr == ""
    assert not is_alive(running)
    assert stop_embedded(home) is False
    assert user.leave() == ""
    assert stop_embedded(home / "nothing") is False


def test_another_programs_process_id_is_not_taken_for_the_server(tmp_path):
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n0\n5432\n{tmp_path}\n\n0 0\nready\n")
    _forget_stale_pid(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()
