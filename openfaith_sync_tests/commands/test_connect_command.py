"""``org connect``: a link, a person's consent, and a connection; every mistake is one line."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from dagster import DagsterInstance

from openfaith_sync.commands import connect
from openfaith_sync.domain.connections.connection import Connection, OAuthTokens
from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.authorizations import begin_authorization
from openfaith_sync.store.connections.connections import add_connection, list_connections, load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import PROGRAM, Run
from openfaith_sync_tests.commands.test_bad_input import FAILED, WRONG_USAGE, expect_line
from openfaith_sync_tests.conftest import SECRET_KEY
from openfaith_sync_tests.forking import TextFork, command_line
from openfaith_sync_tests.store.making import PCO, run

GRACE = OrgId("grace")
CLIENT = {"OPENFAITH_PCO_CLIENT_ID": "demo-client", "OPENFAITH_PCO_CLIENT_SECRET": "demo-client-secret"}
Open = Callable[..., AbstractContextManager[TextFork]]


@pytest.fixture
def program(deployment: dict[str, str], database: Database, tmp_path: Path) -> Open:
    """Starts the program on a fresh database, with somebody at its standard input."""
    deployment["OPENFAITH_DATABASE_URL"] = database.libpq_url
    deployment["OPENFAITH_SECRET_KEYS"] = SECRET_KEY
    deployment["OPENFAITH_HOME"] = str(database.keys.home)

    @contextmanager
    def open_program(*words: str, **environment: str) -> Iterator[TextFork]:
        process = command_line().open(
            [str(PROGRAM), *words],
            environment={**os.environ, **deployment, **CLIENT, **environment},
            folder=tmp_path,
        )
        try:
            yield process
        finally:
            process.close()

    return open_program


def link_of(process: TextFork) -> str:
    line = process.stdout.readline().strip()
    assert "/oauth/authorize?" in line, line
    return line


def code_on(link: str) -> str:
    found = re.search(r"Your code: (\w+)", httpx.get(link, trust_env=False).text)
    assert found
    return found[1]


def test_the_callback_ends_the_waiting(
    program: Open,
    church: RunningSimulator,
    database: Database,
    deployment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    public = {"OPENFAITH_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    connect = ("org", "connect", "grace", "--base-url", church.base_url)
    with program("serve", "--port", str(port), **public) as serving, program(*connect, **public) as connecting:
        assert "receiving" in serving.stdout.readline()
        link = link_of(connecting)
        assert f"redirect_uri=http%3A%2F%2F127.0.0.1%3A{port}%2Foauth%2Fcallback" in link
        assert "code_challenge_method=S256" in link
        assert httpx.get(link, follow_redirects=True, trust_env=False, timeout=20).status_code == 200
        said, also = connecting.communicate(timeout=60)
        assert connecting.returncode == 0, also
    assert f"connected grace to Planning Center Online at {church.base_url} (granted scopes: groups, people)" in said
    connection = load_connection(database, GRACE, PCO)
    assert isinstance(connection.credentials, OAuthTokens)
    assert connection.credentials.access_token not in said + also
    for name, value in deployment.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.from_config(deployment["DAGSTER_HOME"]) as instance:
        assert list(instance.get_dynamic_partitions("org")) == ["grace"]


@pytest.mark.parametrize("form", ["{code}", "  {code}  ", "https://x.example/cb?code={code}"])
def test_a_code_may_be_pasted(program: Open, church: RunningSimulator, database: Database, form: str) -> None:
    with program("org", "connect", "grace", "--base-url", church.base_url, "--paste", "--scopes", "people") as process:
        pasted = form.format(code=code_on(link_of(process)))
        said, also = process.communicate(pasted + "\n", timeout=60)
        assert process.returncode == 0, also
    assert "granted scopes: people" in said
    assert list_connections(database)[0].scopes == frozenset({"people"})


def test_for_programs_standard_output_is_the_facts(program: Open, church: RunningSimulator) -> None:
    words = ("org", "connect", "grace", "--base-url", church.base_url, "--paste", "--json")
    with program(*words) as process:
        code = code_on(process.stderr.readline().strip())
        said, _ = process.communicate(code + "\n", timeout=60)
    wanted = {"org": "grace", "adapter": "pco", "base_url": church.base_url, "scopes": ["groups", "people"]}
    assert json.loads(said) == wanted


def test_a_code_of_somebody_else_connects_nobody(program: Open, church: RunningSimulator, database: Database) -> None:
    with program("org", "connect", "grace", "--base-url", church.base_url, "--paste") as process:
        link_of(process)
        said, also = process.communicate("f" * 64 + "\n", timeout=60)
        assert process.returncode == FAILED
    assert "openfaith-sync: Planning Center Online answered 400" in also
    assert "ffff" not in said + also
    assert list_connections(database) == []


def test_a_callback_that_never_ends_ends_the_waiting(database: Database) -> None:
    begun = begin_authorization(database, GRACE, PCO, "http://x", "http://x", frozenset())
    run(database, "UPDATE sync.authorizations SET used_at = now(), expires_at = now() - interval '15 minutes'")
    with pytest.raises(TransientError, match="someone consented, but openfaith-sync serve did not finish"):
        connect._wait(database, begun)


def test_an_address_of_another_link_is_refused(run_stored: Run) -> None:
    answer = run_stored("org", "connect", "grace", "--paste", stdin="https://x.example/?code=c&state=s\n", **CLIENT)
    assert answer.exit_code == FAILED
    assert "belongs to another link" in answer.stderr


@pytest.mark.parametrize("pasted", ["\n", "", "a code\n", "https://x.example/?error=access_denied\n"])
def test_nothing_pasted(run_stored: Run, pasted: str) -> None:
    answer = run_stored("org", "connect", "grace", "--paste", stdin=pasted, **CLIENT)
    assert answer.exit_code == FAILED
    assert "no code was pasted" in answer.stderr


def test_a_deployment_without_a_client(run_stored: Run) -> None:
    answer = run_stored("org", "connect", "grace", "--paste")
    expect_line(answer, FAILED, "OPENFAITH_PCO_CLIENT_ID and OPENFAITH_PCO_CLIENT_SECRET")


def test_half_a_client_is_none(run_stored: Run) -> None:
    answer = run_stored("org", "connect", "grace", "--paste", OPENFAITH_PCO_CLIENT_ID="x")
    expect_line(answer, FAILED, "OPENFAITH_PCO_CLIENT_SECRET")


def test_nowhere_to_come_back_to(run_stored: Run) -> None:
    answer = run_stored("org", "connect", "grace", **CLIENT)
    expect_line(answer, FAILED, "OPENFAITH_PUBLIC_URL is not set", "--paste")


@pytest.mark.parametrize("scopes", ["giving", "people,giving", "", ","])
def test_a_scope_that_the_manifest_cannot_use(run_stored: Run, scopes: str) -> None:
    answer = run_stored("org", "connect", "grace", "--paste", "--scopes", scopes, **CLIENT)
    expect_line(answer, WRONG_USAGE, "--scopes", "groups, people")


@pytest.mark.parametrize("name", ["Grace", "grace church", "-grace", ""])
def test_an_invalid_org_name(run: Run, name: str) -> None:
    expect_line(run("org", "connect", "--paste", "--", name), WRONG_USAGE, "lower-case letters")


def test_a_bad_base_url(run: Run) -> None:
    expect_line(run("org", "connect", "grace", "--base-url", "ftp://x"), WRONG_USAGE, "--base-url")


def test_an_adapter_that_is_not_there(run: Run) -> None:
    expect_line(run("org", "connect", "grace", "--adapter", "nope"), FAILED, "nope")


def test_a_bearer_token_is_tried_first_and_kept(run_stored: Run, church: RunningSimulator, database: Database) -> None:
    add = ("org", "add", "grace", "--bearer-stdin", "--base-url", church.base_url)
    refused = run_stored(*add, stdin="wrong-token\n")
    expect_line(refused, FAILED, "credentials were refused")
    assert "wrong-token" not in refused.output
    assert run_stored(*add, stdin="demo\n").exit_code == 0
    assert list_connections(database)[0].auth_method == "bearer"


@pytest.mark.parametrize("given", ["\n", "two words\n", "t\u00f6ken\n"])
def test_a_malformed_bearer_token(run: Run, given: str) -> None:
    answer = run("org", "add", "grace", "--bearer-stdin", stdin=given)
    expect_line(answer, WRONG_USAGE, "--bearer-stdin", "expected a token")
    assert not given.strip() or given.strip() not in answer.stderr


def test_what_was_not_granted_is_said_and_nothing_else_suffers(
    run_stored: Run, church: RunningSimulator, database: Database
) -> None:
    (pair,) = church.issue_tokens("people")
    tokens = OAuthTokens(pair["access_token"], pair["refresh_token"], timedelta(hours=2), frozenset({"people"}))
    add_connection(database, Connection(GRACE, PCO, church.base_url, tokens))
    answer = run_stored("sync", "grace", "--json", **CLIENT)
    assert answer.exit_code == 0
    results = {row["entity"]: row for row in json.loads(answer.stdout)}
    assert results["person"]["result"] == "complete"
    assert results["group"]["result"] == "not available"
    assert "did not grant the scope 'groups'" in results["group"]["reason"]
    status = run_stored("status", "grace")
    assert "grace pco/group is not available: the org did not grant the scope 'groups'" in status.stderr
