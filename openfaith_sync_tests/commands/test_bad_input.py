"""Every mistake is one line that says what, which and what to do; nothing is half-written."""

import shutil
import socket
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.fernet import Fernet

from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.ten_entities import MANIFESTS

FAILED, WRONG_USAGE = 1, 2


def expect_line(answer: Result, status: int, *parts: str) -> None:
    """One line on standard error, no traceback, and nothing on standard output."""
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert answer.exit_code == status, answer.output
    assert answer.stderr.startswith("openfaith-sync: ")
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert answer.stdout == ""
    for part in parts:
        assert part in answer.stderr


def connect(run_stored: Run, church: RunningSimulator, **environment: str) -> None:
    add = ("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    assert run_stored(*add, **environment).exit_code == 0


@pytest.mark.parametrize("given", ["demo", "demo:", ":demo", "demo: demo", ""])
def test_malformed_credentials(run: Run, given: str) -> None:
    answer = run("org", "add", "grace", "--basic", given)
    expect_line(answer, WRONG_USAGE, "--basic", "expected ID:SECRET", "openfaith-sync org add --help")
    assert not given or f"{given!r}" not in answer.stderr


def test_no_credentials(run: Run) -> None:
    expect_line(run("org", "add", "grace"), WRONG_USAGE, "--basic-stdin")


def test_credentials_given_twice(run: Run) -> None:
    answer = run("org", "add", "grace", "--basic", "demo:demo", "--basic-stdin", stdin="demo:demo\n")
    expect_line(answer, WRONG_USAGE, "exactly one of --basic")


@pytest.mark.parametrize("name", ["Grace", "grace church", "-grace", "grace/../x", "", "g" * 64])
def test_an_invalid_org_name(run: Run, name: str) -> None:
    answer = run("org", "add", "--basic", "demo:demo", "--", name)
    expect_line(answer, WRONG_USAGE, "lower-case letters, digits and hyphens")


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://church", "http://", "http://a:b@church", "http://church?x=1", "http://church:port"]
)
def test_a_bad_base_url(run: Run, url: str) -> None:
    answer = run("org", "add", "grace", "--basic", "demo:demo", "--base-url", url)
    expect_line(answer, WRONG_USAGE, "--base-url", "expected http(s)://host")


@pytest.mark.parametrize(
    "words",
    [
        ("org", "add", "grace", "--adapter", "nope", "--basic", "demo:demo"),
        ("sync", "grace", "--adapter", "nope"),
        ("graph", "--adapter", "nope"),
        ("manifest", "check", "nope"),
    ],
)
def test_an_unknown_adapter(run: Run, words: tuple[str, ...]) -> None:
    expect_line(run(*words), FAILED, "there is no adapter 'nope'; the known ones: breeze, pco")


def test_an_unknown_entity(run: Run) -> None:
    answer = run("sync", "grace", "--adapter", "pco", "--entity", "person", "--entity", "pope")
    expect_line(answer, FAILED, "there is no entity 'pope' in the pco manifest; it has campus, household, person")


@pytest.mark.parametrize("words", [("sync", "nope"), ("status", "nope")])
def test_an_unknown_org(run_stored: Run, words: tuple[str, ...]) -> None:
    expect_line(run_stored(*words), FAILED, "there is no org 'nope'")


@pytest.mark.parametrize("words", [("status",), ("org", "list"), ("sync", "grace"), ("db", "query", "select 1")])
def test_an_unreachable_database(run: Run, words: tuple[str, ...]) -> None:
    answer = run(*words, OPENFAITH_DATABASE_URL="postgresql://church:hidden@127.0.0.1:1/church")
    expect_line(answer, FAILED, "the database at postgresql://church@127.0.0.1:1/church cannot be reached")
    assert "hidden" not in answer.output


def test_a_database_url_that_is_none(run: Run) -> None:
    expect_line(run("status", OPENFAITH_DATABASE_URL="mysql://church"), FAILED, "postgresql://", "mysql")


def test_a_database_newer_than_the_code(run_stored: Run, database: Database) -> None:
    with database.connect_fleet() as session:
        session.execute("update sync.alembic_version set version_num = '9999'")
    expect_line(run_stored("status"), FAILED, "9999", "newer version")


def test_an_unreachable_source(run_stored: Run, database: Database) -> None:
    answer = run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", "http://127.0.0.1:1")
    expect_line(answer, FAILED, "could not reach Planning Center Online at 127.0.0.1:1")
    assert list_connections(database) == []


def test_a_manifest_with_mistakes(run: Run, tmp_path: Path) -> None:
    manifests = tmp_path / "spoiled"
    shutil.copytree(MANIFESTS, manifests)
    path = manifests / "pco" / "people.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("table: campuses", "table: sites"), encoding="utf-8")
    answer = run("sync", "grace", "--adapter", "pco", OPENFAITH_MANIFESTS=str(manifests))
    expect_line(answer, FAILED, f"{path}:8: entities.campus.table: found 'sites', expected one of")


def test_a_missing_secret_key(run_stored: Run, church: RunningSimulator) -> None:
    connect(run_stored, church, OPENFAITH_SECRET_KEYS=Fernet.generate_key().decode())
    other = Fernet.generate_key().decode()
    answer = run_stored("sync", "grace", OPENFAITH_SECRET_KEYS=other)
    expect_line(answer, FAILED, "grace/pco", "OPENFAITH_SECRET_KEYS", "reconnect the org")
    assert other not in answer.output


def test_a_secret_key_that_is_none(run_stored: Run, church: RunningSimulator, database: Database) -> None:
    add = ("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    expect_line(run_stored(*add, OPENFAITH_SECRET_KEYS="hidden"), FAILED, "not a Fernet key")
    assert list_connections(database) == []


def test_a_port_in_use(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = run("demo", "--people", "1", "--port", str(port))
    assert answer.exit_code == FAILED
    assert answer.stderr.splitlines()[-1].startswith("openfaith-sync: ")
    assert str(port) in answer.stderr


@pytest.mark.parametrize(
    "words", [("bogus",), ("sync",), ("sync", "grace", "--mode", "sideways"), ("demo", "--people", "0")]
)
def test_wrong_usage_points_at_the_help(run: Run, words: tuple[str, ...]) -> None:
    expect_line(run(*words), WRONG_USAGE, "--help")


def test_a_bug_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("openfaith_sync.commands.graph.find_manifest", fail)
    assert isinstance(run("graph").exception, RuntimeError)


@pytest.mark.parametrize(
    "words",
    [(), ("demo",), ("simulate",), ("org",), ("org", "add"), ("org", "list"), ("status",), ("sync",), ("graph",),
     ("manifest",), ("manifest", "check"), ("manifest", "schema"), ("db",), ("db", "url"), ("db", "shell"),
     ("db", "query")],
)  # fmt: skip
def test_every_command_explains_itself_without_a_database(run: Run, words: tuple[str, ...], tmp_path: Path) -> None:
    answer = run(*words, "--help")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("Usage: ")
    assert not (tmp_path / "home").exists()
