import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dagster import DagsterInstance

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.planning import add_missing_work
from openfaith_sync.store.schedule.work import Plan
from openfaith_sync_tests.commands.conftest import Run

PUBLIC = {"OPENFAITH_PUBLIC_URL": "https://hooks.example.org"}


@pytest.fixture
def own_church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=30, rate=None), pco_manifest) as simulator:
        yield simulator


Add = Callable[[str, RunningSimulator], None]


@pytest.fixture
def add(run_stored: Run) -> Add:
    def add_org(name: str, church: RunningSimulator) -> None:
        answer = run_stored("org", "add", name, "--basic", "demo:demo", "--base-url", church.base_url)
        assert answer.exit_code == 0, answer.stderr

    return add_org


def partitions(deployment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name, value in deployment.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.from_config(deployment["DAGSTER_HOME"]) as instance:
        return list(instance.get_dynamic_partitions("org"))


def fetch(database: Database, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with database.connect_fleet() as session:
        return session.execute(statement.encode(), parameters).fetchall()


def test_a_paused_org_is_not_synced_until_it_is_resumed(
    run_stored: Run, add: Add, church: RunningSimulator, database: Database
) -> None:
    add("grace", church)
    assert run_stored("org", "pause", "grace", "--reason", "moving house").exit_code == 0
    refused = run_stored("sync", "grace", "--entity", "campus")
    assert refused.exit_code == 1
    assert "is paused (moving house)" in refused.stderr
    fetch_one = "INSERT INTO sync.work (org_id, adapter, entity, mode, reason, not_before, attempts) "
    with database.connect_fleet() as session:
        session.execute(fetch_one + "VALUES ('grace', 'pco', 'person', 'delta', 'x', now() + interval '1 hour', 3)")
    assert run_stored("org", "resume", "grace").exit_code == 0
    assert fetch(database, "SELECT not_before <= now(), attempts, reason FROM sync.work") == [(True, 0, "resumed")]
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0


def test_an_org_that_nobody_knows_is_said_to_be_unknown(run_stored: Run) -> None:
    for words in (("pause",), ("resume",), ("remove",), ("set",)):
        answer = run_stored("org", *words, "nobody")
        assert answer.exit_code == 1
        assert "there is no org 'nobody'" in answer.stderr


def test_a_removed_org_leaves_its_data_and_nothing_else(
    run_stored: Run,
    add: Add,
    own_church: RunningSimulator,
    database: Database,
    deployment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add("grace", own_church)
    add("hope", own_church)
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0
    ensured = run_stored("webhooks", "ensure", "grace", **PUBLIC)
    assert ensured.exit_code == 0, ensured.stderr
    before = own_church.truth("campus")
    answer = run_stored("org", "remove", "grace", "--json", **PUBLIC)
    assert answer.exit_code == 0, answer.stderr
    removed = json.loads(answer.stdout)
    assert removed["subscriptions_removed"] > 0
    assert removed["erased"] == {}
    assert [connection.org for connection in list_connections(database)] == ["hope"]
    assert fetch(database, "SELECT count(*) FROM sync.webhook_subscriptions") == [(0,)]
    assert fetch(database, "SELECT count(*) FROM openfaith.campuses WHERE org_id = 'grace'") == [(len(before),)]
    assert partitions(deployment, monkeypatch) == ["hope"]


def test_an_org_that_comes_back_has_its_ids_and_its_place(
    run_stored: Run,
    add: Add,
    church: RunningSimulator,
    database: Database,
    deployment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add("grace", church)
    ids = "SELECT id FROM openfaith.people WHERE org_id = 'grace' ORDER BY id"
    assert run_stored("sync", "grace", "--entity", "person").exit_code == 0
    known = fetch(database, ids)
    assert run_stored("org", "remove", "grace").exit_code == 0
    add("grace", church)
    again = run_stored("sync", "grace", "--entity", "person", "--json")
    assert json.loads(again.stdout)[0]["mode"] == "delta"
    assert fetch(database, ids) == known
    assert run_stored("org", "remove", "grace", "--erase", "--yes").exit_code == 0
    add("grace", church)
    anew = run_stored("sync", "grace", "--entity", "person", "--json")
    assert json.loads(anew.stdout)[0]["mode"] == "full"
    assert fetch(database, ids) == known
    assert partitions(deployment, monkeypatch) == ["grace"]


def test_erasing_says_how_much_and_touches_no_other_org(
    run_stored: Run, add: Add, church: RunningSimulator, database: Database
) -> None:
    for org in ("grace", "hope"):
        add(org, church)
        assert run_stored("sync", org, "--entity", "person", "--entity", "campus").exit_code == 0
    tables = "SELECT table_schema || '.' || table_name FROM information_schema.columns WHERE column_name = 'org_id'"
    names = sorted(row[0] for row in fetch(database, tables))

    def rows_of(org: str) -> dict[str, int]:
        counted = {name: fetch(database, f"SELECT count(*) FROM {name} WHERE org_id = %s", org)[0][0] for name in names}
        return {name: count for name, count in counted.items() if count}

    kept, going = rows_of("hope"), rows_of("grace")
    assert len(names) > 20
    answer = run_stored("org", "remove", "grace", "--erase", "--yes", "--json")
    assert answer.exit_code == 0, answer.stderr
    erased = json.loads(answer.stdout)["erased"]
    assert erased["openfaith.people"] == going["openfaith.people"]
    assert rows_of("grace") == {}
    assert rows_of("hope") == kept


def test_erasing_asks_first(run_stored: Run, add: Add, church: RunningSimulator, database: Database) -> None:
    add("grace", church)
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0
    answer = run_stored("org", "remove", "grace", "--erase", stdin="n\n")
    assert answer.exit_code == 1
    assert "rows in" in answer.stderr
    assert answer.stderr.endswith("openfaith-sync: nothing was done\n")
    answer = run_stored("org", "remove", "grace", "--erase", stdin="")
    assert answer.exit_code == 1
    assert answer.stderr.endswith("openfaith-sync: nothing was done, since nobody answered; --yes does not ask\n")
    assert [connection.org for connection in list_connections(database)] == ["grace"]


def test_an_org_is_not_erased_below_a_sync(
    run_stored: Run, add: Add, church: RunningSimulator, database: Database
) -> None:
    add("grace", church)
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0
    with database.connect_fleet() as session:
        session.execute("SELECT pg_advisory_lock(hashtextextended('grace/pco/campus', 0))")
        answer = run_stored("org", "remove", "grace", "--erase", "--yes")
        assert answer.exit_code == 1
        assert "is being synced" in answer.stderr
    assert fetch(database, "SELECT count(*) > 0 FROM openfaith.campuses") == [(True,)]
    assert run_stored("org", "remove", "grace", "--erase", "--yes").exit_code == 0
    assert fetch(database, "SELECT count(*) FROM openfaith.campuses") == [(0,)]


def test_a_source_that_keeps_its_subscriptions_stops_the_removal_unless_forced(
    run_stored: Run, add: Add, own_church: RunningSimulator, database: Database
) -> None:
    add("grace", own_church)
    assert run_stored("webhooks", "ensure", "grace", **PUBLIC).exit_code == 0
    own_church.fault(Fault(path="/webhooks/v2/subscriptions", kind="status", status=403))
    refused = run_stored("org", "remove", "grace", **PUBLIC)
    assert refused.exit_code == 1
    assert "grace is paused and nothing was removed" in refused.stderr
    assert len(list_connections(database)) == 1
    forced = run_stored("org", "remove", "grace", "--force", **PUBLIC)
    assert forced.exit_code == 0
    assert "remain at the source" in forced.stderr
    assert list_connections(database) == []


def test_what_holds_for_one_org_is_set_and_shown(
    run_stored: Run, add: Add, church: RunningSimulator, database: Database
) -> None:
    add("grace", church)
    answer = run_stored("org", "set", "grace", "--time-zone", "America/Chicago", "--delta-every", "5m", "--json")
    assert answer.exit_code == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert (told["time_zone"], told["delta_every"], told["reconcile_every"]) == ("America/Chicago", 300, None)
    said = run_stored("org", "set", "grace", "--reconcile-every", "7d").stdout
    assert "pco is checked for changes every 5m and reconciled every 7d" in said
    assert run_stored("org", "set", "grace", "--reconcile-every", "usual").exit_code == 0
    assert fetch(database, "SELECT mode, extract(epoch FROM every)::int FROM sync.cadences") == [("delta", 300)]
    assert run_stored("org", "set", "grace", "--delta-every", "usual").exit_code == 0
    assert fetch(database, "SELECT count(*) FROM sync.cadences") == [(0,)]
    assert "time zone America/Chicago" in run_stored("org", "set", "grace").stdout
    answer = run_stored("org", "set", "grace", "--rejected-share", "0.5")
    assert "rejects more than 50% of the records" in answer.stdout


def test_single_entities_have_intervals_of_their_own(
    run_stored: Run, add: Add, church: RunningSimulator, database: Database, pco_manifest: Manifest
) -> None:
    add("grace", church)
    plan = Plan.of(pco_manifest, pco_manifest.graph.entities)
    add_missing_work(database, plan)
    answer = run_stored("org", "set", "grace", "--cadence", "person.reconcile=7d,group=2h,event=never", "--json")
    assert answer.exit_code == 0, answer.stderr
    own = {"event.delta": "never", "group.delta": "2h", "person.reconcile": "7d"}
    assert json.loads(answer.stdout)["cadence"] == own
    assert json.loads(run_stored("org", "list", "--json").stdout)[0]["cadence"] == own
    assert "event.delta never, group.delta 2h, person.reconcile 7d" in run_stored("org", "set", "grace").stdout
    assert run_stored("sync", "grace", "--entity", "group").exit_code == 0
    add_missing_work(database, plan)
    (shown,) = (row for row in json.loads(run_stored("status", "grace", "--json").stdout) if "group" in row["entity"])
    assert shown["every"] == "2h"
    refused = run_stored("org", "set", "grace", "--cadence", "nobody=1h")
    assert (refused.exit_code, "no entity 'nobody'" in refused.stderr) == (2, True)
    assert run_stored("org", "set", "grace", "--cadence", "group=default").exit_code == 0
    assert "group" not in run_stored("org", "set", "grace").stdout.partition("reconciled")[2].partition(";")[0]


@pytest.mark.parametrize("words", [("--time-zone", "Chicago"), ("--delta-every", "5"), ("--deletion-share", "2")])
def test_a_setting_that_means_nothing_is_refused(run_stored: Run, words: tuple[str, str]) -> None:
    answer = run_stored("org", "set", "grace", *words)
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
