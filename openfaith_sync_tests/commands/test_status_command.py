"""``status``: one line an org, what is wrong with the command that helps, and an exit status for monitors."""

import json
from datetime import timedelta

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection, ConnectionStatus
from openfaith_sync.domain.ids import OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.domain.schedule.due_work import WHAT_REPEATS
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.connections.connections import add_connection, set_connection_status
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import BreakerRules, SharedBreaker
from openfaith_sync.store.schedule.planning import add_missing_work
from openfaith_sync.store.schedule.work import Plan, make_due
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.store.making import EMAIL, PCO, batch, email, rejection, run, walking

GRACE, HOPE, ZION = (OrgId(name) for name in ("grace", "hope", "zion"))


def connect(database: Database, *orgs: OrgId) -> None:
    for org in orgs:
        add_connection(database, Connection(org, PCO, "https://example.org", BasicCredentials("a", "b")))


def test_without_orgs_it_says_how_to_connect_one(run_stored: Run) -> None:
    answer = run_stored("status")
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "no org is connected; connect one with: openfaith-sync org add NAME" in answer.stderr
    assert json.loads(run_stored("status", "--json").stdout) == []
    assert run_stored("status", "--check").exit_code == 0


def test_every_connected_org_has_a_line_the_worst_first(
    run_stored: Run, database: Database, pco_manifest: Manifest
) -> None:
    connect(database, GRACE, HOPE, ZION, OrgId("removed"))
    add_missing_work(database, Plan.of(pco_manifest, pco_manifest.graph.entities))
    key = SyncKey(GRACE, PCO, EMAIL)
    with walking(database, key) as walk:
        walk.commit(batch([email("1", org=GRACE)]))
        walk.close()
    run(database, "UPDATE sync.work SET not_before = NULL WHERE org_id = 'grace' AND mode = 'full'")
    soon = "UPDATE sync.work SET not_before = now() + interval '12.5 minutes' WHERE mode = 'delta' AND org_id = 'grace'"
    run(database, soon)
    set_connection_status(database, HOPE, PCO, ConnectionStatus.RECONNECT_NEEDED, "the token was revoked")
    disconnect_org(database, OrgId("removed"))

    answer = run_stored("status")
    header, *lines = answer.stdout.splitlines()
    assert header.split() == ["org", "asked", "changed", "next", "state"]
    assert [line.split()[0] for line in lines] == ["hope", "zion", "grace"]
    assert "needs you: the org must reconnect: openfaith-sync org add hope --adapter pco --basic-stdin" in lines[0]
    assert lines[1].split(maxsplit=5)[1:] == ["never", "never", "full", "now", "waiting for its first sync"]
    assert lines[2].split(maxsplit=6)[1:] == ["now", "now", "delta", "in", "12", "min  up to date"]
    assert "3 orgs: 1 needs you, 1 waiting for its first sync, 1 up to date" in answer.stderr
    hope, zion, grace = json.loads(run_stored("status", "--json").stdout)
    assert (hope["state"], hope["problems"]) == ("needs you", ["connection"])
    assert (zion["next"], zion["asked_at"]) == ("full", None)
    assert (grace["next"], grace["state"], grace["since"]) == ("delta", "up to date", None)

    # A pass whose worker lives says how far it is.
    with walking(database, SyncKey(ZION, PCO, EMAIL)) as walk:
        walk.commit(batch([email("1", org=ZION)]), place=WalkPlace((Slice(offset=1, remaining=9),)))
        run(database, "UPDATE sync.passes SET started_at = now() - interval '2 minutes' WHERE status = 'open'")
        (syncing,) = [row for row in json.loads(run_stored("status", "--json").stdout) if row["org"] == ZION]
        assert (syncing["state"], syncing["records"], syncing["total"]) == ("syncing", 1, 10)
        shown = run_stored("status").stdout
        assert "syncing: first sync: 0 of 10 entities; email: 1 of 10 records, done in at least" in shown
        (row,) = json.loads(run_stored("status", "zion", "--json").stdout)
        assert row["open_pass"] == "full: 1 of 10 records, 1 page"
    assert "interrupted: first sync: 0 of 10 entities; email: 1 of 10 records" in run_stored("status").stdout


def test_a_check_fails_while_something_is_wrong_and_says_what_helps(run_stored: Run, database: Database) -> None:
    connect(database, GRACE, HOPE)
    assert run_stored("status", "--check").stderr == "nothing is wrong with 2 orgs\n"
    with walking(database, SyncKey(GRACE, PCO, EMAIL)) as walk:
        walk.commit(batch([], [rejection("1")]))
        walk.store.close_pass(walk.lease, walk.opened.pass_id, None, 0, CountedRecords(3, 0, 1))
    answer = run_stored("status", "--check")
    assert answer.exit_code == 1
    assert answer.stdout.splitlines()[0].startswith("grace pco dead_letters since ")
    assert "1 record of email set aside: 1 × created_at: expected a date (found string)" in answer.stdout
    assert answer.stdout.splitlines()[1] == "    needs a person; openfaith-sync dead-letters list grace"
    # Two missing records may be a wrong count: that is shown, and wakes nobody.
    assert "completeness" not in answer.stdout
    shown = json.loads(run_stored("status", "--problems", "--json").stdout)
    assert [(one["kind"], one["count"], one["is_red"]) for one in shown] == [
        *(("dead_letters", 1, True), ("completeness", 2, False)),
    ]
    assert run_stored("status", "--problems").exit_code == 0
    assert run_stored("status", "hope", "--check").exit_code == 0
    (red,) = json.loads(run_stored("status", "grace", "--check", "--json").stdout)
    assert (red["org"], red["orgs"], red["entities"]) == ("grace", ["grace"], ["email"])
    assert "there is no org 'nope'" in run_stored("status", "nope", "--check").stderr

    run(database, "UPDATE sync.dead_letters SET resolved_at = now()")
    assert run_stored("status", "--check").exit_code == 0


def test_an_outage_of_a_provider_is_one_problem_of_all_its_orgs(run_stored: Run, database: Database) -> None:
    connect(database, GRACE, HOPE)
    rules = BreakerRules(requests=1, lasting=timedelta(), orgs=2)
    for org in (GRACE, HOPE):
        breaker = SharedBreaker(database, org, PCO, rules)
        breaker.note_failure("a", "no route to host", timedelta())
    answer = run_stored("status", "--check")
    assert answer.exit_code == 1
    assert answer.stdout.startswith("pco (2 orgs) outage since ")
    assert "heals by itself" in answer.stdout
    assert {row["state"] for row in json.loads(run_stored("status", "--json").stdout)} == {"unreachable"}
    assert "the source does not respond to any org: no route to host" in run_stored("status", "grace").stderr
    breaker.note_answer()
    assert run_stored("status", "--check").exit_code == 0


def test_a_removed_org_is_not_listed_and_its_data_can_be_looked_at(run_stored: Run, database: Database) -> None:
    connect(database, GRACE)
    with walking(database, SyncKey(GRACE, PCO, EMAIL)) as walk:
        walk.commit(batch([email("1", org=GRACE)]))
        walk.close()
    make_due(database, GRACE, PCO, WHAT_REPEATS, "a test")
    disconnect_org(database, GRACE)
    assert run_stored("status").stdout == ""
    answer = run_stored("status", "grace")
    assert answer.exit_code == 0
    assert "pco/email" in answer.stdout
    assert answer.stderr == "grace is not connected; its data is kept\n"
