import json
from pathlib import Path

import pytest
from dagster import DagsterInstance

from openfaith_sync.domain.connections.connection import ConnectionStatus, reconnect_command
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.connections import list_connections, set_connection_status
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.conftest import SECRET_KEY, settings_for


def test_an_org_is_stored_encrypted_and_becomes_a_partition(
    run_stored: Run,
    church: RunningSimulator,
    database: Database,
    deployment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.startswith(f"connected grace to Planning Center Online at {church.base_url}")
    with database.connect_fleet() as session:
        ((secret,),) = session.execute("select secret from sync.connections").fetchall()
    assert b"demo" not in secret
    for name, value in deployment.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.from_config(deployment["DAGSTER_HOME"]) as instance:
        assert list(instance.get_dynamic_partitions("org")) == ["grace"]


def test_credentials_may_come_on_standard_input(run_stored: Run, church: RunningSimulator) -> None:
    add = ("org", "add", "grace", "--basic-stdin", "--base-url", church.base_url, "--json")
    answer = run_stored(*add, stdin="demo:demo\n")
    assert answer.exit_code == 0, answer.stderr
    added = json.loads(answer.stdout)
    assert (added["org"], added["adapter"], added["is_new"]) == ("grace", "pco", True)


def test_the_same_name_again_replaces_the_credentials_and_says_so(run_stored: Run, church: RunningSimulator) -> None:
    add = ("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    assert run_stored(*add).exit_code == 0
    answer = run_stored(*add)
    assert answer.exit_code == 0
    assert answer.stdout.startswith("replaced the credentials of grace")


def test_the_same_name_again_stays_at_its_address(
    run_stored: Run, church: RunningSimulator, database: Database
) -> None:
    assert run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url).exit_code == 0
    answer = run_stored("org", "add", "grace", "--basic", "demo:demo")
    assert answer.exit_code == 0, answer.stderr
    assert [held.base_url for held in list_connections(database)] == [church.base_url]


def test_the_remedy_of_credentials_that_are_refused_is_a_command_that_works(
    run_stored: Run, church: RunningSimulator, database: Database
) -> None:
    run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    set_connection_status(database, OrgId("grace"), AdapterName("pco"), ConnectionStatus.RECONNECT_NEEDED, "revoked")
    refused = run_stored("sync", "grace")
    remedy = refused.stderr.rpartition(": ")[2].split()
    assert remedy[0] == "openfaith-sync"
    answer = run_stored(*remedy[1:], stdin="demo:demo\n")
    assert answer.exit_code == 0, answer.stderr
    assert [held.status for held in list_connections(database)] == [ConnectionStatus.ACTIVE]


def test_the_remedy_names_the_way_in_which_the_org_was_connected() -> None:
    org, adapter = OrgId("grace"), AdapterName("pco")
    commands = {method: reconnect_command(org, adapter, method=method) for method in ("basic", "bearer", "oauth2")}
    assert commands == {
        "basic": "openfaith-sync org add grace --adapter pco --basic-stdin",
        "bearer": "openfaith-sync org add grace --adapter pco --bearer-stdin",
        "oauth2": "openfaith-sync org connect grace --adapter pco",
    }


def test_an_unknown_org_is_said_in_a_line_that_does_not_list_all_others(run_stored: Run, database: Database) -> None:
    with database.connect_fleet() as session:
        session.execute(
            "INSERT INTO sync.connections (org_id, adapter, base_url, auth_method, secret) "
            "SELECT 'church-' || n, 'pco', 'http://x', 'basic', 'x' FROM generate_series(1, 2000) n"
        )
    answer = run_stored("sync", "nobody")
    assert answer.exit_code == 1
    assert "there is no org 'nobody'" in answer.stderr
    assert "openfaith-sync org list" in answer.stderr
    assert "church-" not in answer.stderr


def test_refused_credentials_leave_nothing_behind(
    run: Run, church: RunningSimulator, empty_url: DatabaseUrl, tmp_path: Path
) -> None:
    stored = {"OPENFAITH_DATABASE_URL": empty_url.libpq, "OPENFAITH_SECRET_KEYS": SECRET_KEY}
    answer = run("org", "add", "grace", "--basic", "demo:wrong-secret", "--base-url", church.base_url, **stored)
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1
    assert "401" in answer.stderr
    assert "wrong-secret" not in answer.output
    database = open_database(settings_for(empty_url))
    assert list_connections(database) == []
    with database.connect_fleet() as session:
        assert session.execute("select to_regclass('dagster.dynamic_partitions')").fetchone() == (None,)
    assert not (tmp_path / "home").exists()


def test_orgs_are_listed_without_their_credentials(run_stored: Run, church: RunningSimulator) -> None:
    run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    answer = run_stored("org", "list", "--json")
    (listed,) = json.loads(answer.stdout)
    assert listed.pop("since")
    assert listed == {
        "org": "grace",
        "adapter": "pco",
        "base_url": church.base_url,
        "account": "400001",
        "organization": "Church of the Demonstration",
        "method": "basic",
        "status": "active",
        "reason": None,
        "only": None,
        "cadence": {},
    }
