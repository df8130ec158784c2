"""``org import``: many orgs from a file, each by itself, and the same file again changes nothing."""

import json
from pathlib import Path

from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.connections.invitations import find_invitation
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.commands.test_bad_input import FAILED
from openfaith_sync_tests.commands.test_org_invite_command import ABLE
from openfaith_sync_tests.store.making import fetch, run

WRONG = "5ecret-of-nobody"


def test_each_line_is_done_by_itself_and_only_once(
    run_stored: Run, church: RunningSimulator, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "churches.csv"
    path.write_text(
        "name,adapter,credentials,base_url,time_zone,only\n"
        f'grace,pco,demo:demo,{church.base_url},America/Chicago,"people"\n'
        f"hope,pco,demo:{WRONG},{church.base_url},,\n"
        f"zion,pco,,{church.base_url},,groups\n"
    )
    words = ("org", "import", str(path), "--invite")
    foretold = run_stored(*words, "--dry-run", **ABLE)
    assert [line.partition(": ")[2] for line in foretold.stdout.splitlines()] == [
        "grace (pco): would connect", "hope (pco): would connect", "zion (pco): would invite",
    ]  # fmt: skip
    assert list_connections(database) == []
    assert fetch(database, "SELECT FROM sync.invitations") == []

    first = run_stored(*words, **ABLE)
    assert first.exit_code == FAILED
    grace, hope, zion = first.stdout.splitlines()
    assert grace == f"{path}:2: grace (pco): connected: Church of the Demonstration, account 400001"
    assert hope.startswith(f"{path}:3: hope (pco): failed: ")
    assert "credentials were refused" in hope
    assert zion.startswith(f"{path}:4: zion (pco): invited: https://sync.example.org/invite/pco.zion.")
    assert find_invitation(database, zion.rpartition("/")[2]).scopes == {"groups"}
    assert WRONG not in first.output
    assert [(one.org, one.status, one.only) for one in list_connections(database)] == [
        ("grace", ConnectionStatus.ACTIVE, ("people",))
    ]
    assert fetch(database, "SELECT org_id, time_zone FROM sync.orgs") == [("grace", "America/Chicago")]

    again = run_stored(*words, "--json", **ABLE)
    assert [(row["org"], row["result"], row["url"]) for row in json.loads(again.stdout)] == [
        ("grace", "unchanged", None), ("hope", "failed", None), ("zion", "invited already", None),
    ]  # fmt: skip

    # What was refused meanwhile is tried again, and what the file says differently is changed.
    run(database, "UPDATE sync.connections SET status = 'reconnect_needed'")
    assert "grace (pco): credentials replaced" in run_stored(*words, **ABLE).stdout
    path.write_text("name,adapter,only\ngrace,pco,all\n")
    assert "grace (pco): settings changed" in run_stored("org", "import", str(path)).stdout
    assert list_connections(database)[0].only is None


def test_with_a_mistake_nothing_is_done(
    run_stored: Run, church: RunningSimulator, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "churches.csv"
    path.write_text(
        "name,adapter,credentials,base_url\n"
        f"grace,pco,demo:demo,{church.base_url}\n"
        "hope,pco,,\n"
        f"zion,breeze,{WRONG},\n"
        "faith,breeze,,https://faith.breezechms.com\n"
    )
    answer = run_stored("org", "import", str(path))
    assert answer.exit_code == FAILED
    assert answer.stderr.splitlines() == [
        f"{path}:3: credentials: required; or invite the org with --invite",
        f"{path}:4: base_url: required: each org has an address of its own",
        f"{path}:5: credentials: required, since breeze has no OAuth",
        f"openfaith-sync: {path} has 3 mistakes; nothing was done",
    ]
    assert WRONG not in answer.output
    found = json.loads(run_stored("org", "import", str(path), "--json").stdout)["mistakes"]
    assert [(one["line"], one["column"]) for one in found] == [(3, "credentials"), (4, "base_url"), (5, "credentials")]
    assert list_connections(database) == []
