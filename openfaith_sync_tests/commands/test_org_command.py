import json
from pathlib import Path

from dagster import DagsterInstance

from openfaith_sync.simulator.server import RunningSimulator
from openfaith_sync.store.connections import list_connections
from openfaith_sync.store.database import Database
from openfaith_sync_tests.commands.conftest import Run


def test_an_org_is_stored_encrypted_and_becomes_a_partition(
    run_stored: Run, church: RunningSimulator, database: Database, deployment: dict[str, str], monkeypatch
):
    answer = run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.startswith(f"connected grace to Planning Center Online at {church.base_url}")
    with database.connect_fleet() as session:
        (secret,) = session.execute("select secret from sync.connections").fetchone()
    assert b"demo" not in secret
    for name, value in deployment.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.from_config(deployment["DAGSTER_HOME"]) as instance:
        assert list(instance.get_dynamic_partitions("org")) == ["grace"]


def test_credentials_may_come_on_standard_input(run_stored: Run, church: RunningSimulator):
    add = ("org", "add", "grace", "--basic-stdin", "--base-url", church.base_url, "--json")
    answer = run_stored(*add, stdin="demo:demo\n")
    assert answer.exit_code == 0, answer.stderr
    added = json.loads(answer.stdout)
    assert (added["org"], added["adapter"], added["is_new"]) == ("grace", "pco", True)


def test_the_same_name_again_replaces_the_credentials_and_says_so(run_stored: Run, church: RunningSimulator):
    add = ("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    assert run_stored(*add).exit_code == 0
    answer = run_stored(*add)
    assert answer.exit_code == 0
    assert answer.stdout.startswith("replaced the credentials of grace")


def test_refused_credentials_leave_nothing_behind(
    run_stored: Run, church: RunningSimulator, database: Database, tmp_path: Path
):
    answer = run_stored("org", "add", "grace", "--basic", "demo:wrong-secret", "--base-url", church.base_url)
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1
    assert "401" in answer.stderr
    assert "wrong-secret" not in answer.output
    assert list_connections(database) == []
    with database.connect_fleet() as session:
        assert session.execute("select to_regclass('dagster.dynamic_partitions')").fetchone() == (None,)
    assert not (tmp_path / "home").exists()


def test_orgs_are_listed_without_their_credentials(run_stored: Run, church: RunningSimulator):
    run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    answer = run_stored("org", "list", "--json")
    (listed,) = json.loads(answer.stdout)
    assert listed.pop("since")
    assert listed == {
        "org": "grace",
        "adapter": "pco",
        "base_url": church.base_url,
        "account": "400001",
        "method": "basic",
        "status": "active",
        "reason": None,
    }
