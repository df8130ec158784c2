"""Law 13 in Dagster: what is wrong with an org turns its partition red without a run, and green again by itself."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from openfaith_sync.defs.checks.check_names import CONNECTION, CONNECTION_CHECKS, ENTITY_CHECKS
from openfaith_sync.defs.checks.check_states import describe_worst, find_news, find_states, report_of
from openfaith_sync.defs.checks.evaluation_events import prune_evaluations
from openfaith_sync.defs.checks.evaluations import build_evaluation
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity
from openfaith_sync.domain.schedule.due_work import ALL
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.admin.dagster_reports import UNREPORTED, Report, ReportKey, store_reports
from openfaith_sync.store.admin.org_figures import OrgFigures
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.defs.ticking import PCO, Ticking, ticking
from openfaith_sync_tests.store.making import EMAILS, batch, rejection, walking

GRACE, HOPE = OrgId("grace"), OrgId("hope")
EMAIL, PERSON = EntityName("email"), EntityName("person")
GREEN = {kind.value: "SUCCEEDED" for kind in CONNECTION_CHECKS}
MOMENT = datetime(2026, 12, 1, tzinfo=UTC)


def problem(kind: ProblemKind, org: OrgId | None = GRACE, *entities: EntityName, **more: object) -> Problem:
    told = {"severity": Severity.NEEDS_PERSON, "since": MOMENT, "detail": "it is so", "command": "do this", **more}
    return Problem(kind, PCO, org=org, entities=entities, **told)  # type: ignore[arg-type]


def key(kind: ProblemKind, entity: EntityName = ALL, org: OrgId = GRACE) -> ReportKey:
    return ReportKey(org, entity, kind)


DEAD, HELD, AWAY = ProblemKind.DEAD_LETTERS, ProblemKind.DELETIONS_HELD, ProblemKind.OUTAGE


def test_a_problem_shows_on_the_connection_and_where_a_person_decides_on_the_entity() -> None:
    states = find_states(
        [problem(DEAD, GRACE, EMAIL), problem(ProblemKind.COMPLETENESS, GRACE, PERSON), problem(HELD, GRACE, PERSON)]
    )
    assert set(states) == {
        *(key(DEAD), key(DEAD, EMAIL), key(ProblemKind.COMPLETENESS), key(HELD), key(HELD, PERSON)),
    }  # fmt: skip


def test_a_problem_of_the_whole_adapter_shows_on_each_org_that_it_affects() -> None:
    states = find_states([problem(AWAY, None, orgs=frozenset({GRACE, HOPE}))])
    assert set(states) == {key(AWAY), key(AWAY, org=HOPE)}


def test_only_differences_are_news_and_everything_is_once_a_day() -> None:
    states = find_states([problem(DEAD, GRACE, EMAIL, count=3)])
    assert find_news(states, {}, ()) == [key(DEAD), key(DEAD, EMAIL)]
    told = {place: report_of(found) for place, found in states.items()}
    assert find_news(states, told, ()) == []
    daily = find_news(states, told, [GRACE])
    assert daily == [key(kind) for kind in CONNECTION_CHECKS]
    # Over: both are told that they passed.
    assert find_news({}, told, ()) == [key(DEAD), key(DEAD, EMAIL)]
    old = {place: Report(report.is_ok, report.digest, is_recent=False) for place, report in told.items()}
    assert find_news(states, old, ()) == [key(DEAD), key(DEAD, EMAIL)]


def test_a_number_that_grows_is_told_every_few_minutes_and_a_failure_at_once() -> None:
    before = find_states([problem(DEAD, GRACE, detail="3 records")])
    now = find_states([problem(DEAD, GRACE, detail="4 records")])
    fresh = {key(DEAD): Report(False, report_of(before[key(DEAD)]).digest, is_settled=False)}
    assert find_news(now, fresh, ()) == []
    settled = {key(DEAD): Report(False, report_of(before[key(DEAD)]).digest)}
    assert find_news(now, settled, ()) == [key(DEAD)]
    passed = {key(DEAD): Report(True, "x", is_settled=False)}
    assert find_news(now, passed, ()) == [key(DEAD)]


def test_new_failures_come_before_what_is_over_and_daily_reports() -> None:
    states = find_states([problem(AWAY)])
    told = {key(DEAD, org=HOPE): Report(is_ok=False, digest="x")}
    assert find_news(states, told, [HOPE])[:2] == [key(AWAY), key(DEAD, org=HOPE)]


def test_a_problem_that_heals_by_itself_passes_and_is_said() -> None:
    small = problem(ProblemKind.REFERENCES, GRACE, EMAIL, severity=Severity.HEALS, count=2)
    found = build_evaluation(PCO, key(ProblemKind.REFERENCES), [small], OrgFigures())
    assert (found.passed, found.description, found.metadata["count"].value) == (True, "it is so", 2)


def test_a_hold_leaves_dead_letters_green_and_each_says_what_to_do() -> None:
    held = problem(HELD, GRACE, PERSON, count=40, command="openfaith-sync holds show 7")
    states = find_states([held])
    red = build_evaluation(PCO, key(HELD, PERSON), states[key(HELD, PERSON)], OrgFigures())
    green = build_evaluation(PCO, key(DEAD, PERSON), states.get(key(DEAD, PERSON), ()), OrgFigures())
    assert (red.passed, red.metadata["count"].value) == (False, 40)
    assert red.metadata["what to do"].value == "openfaith-sync holds show 7"
    assert (green.passed, green.metadata["count"].value) == (True, 0)


def test_the_worst_is_said_first_with_the_orgs() -> None:
    orgs = [OrgId(f"org-{number}") for number in range(7)]
    lines = list(describe_worst([problem(DEAD), *(problem(ProblemKind.CONNECTION, org) for org in orgs)]))
    assert lines == [
        "7 orgs must reconnect or are refused an entity: org-0, org-1, org-2, org-3, org-4 and 2 more",
        "1 org has records that were set aside: grace",
    ]


@pytest.fixture(scope="module")
def church_process(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=12, rate=None), pco_manifest) as simulator:
        yield simulator


@pytest.fixture
def own_church(church_process: RunningSimulator) -> Iterator[RunningSimulator]:
    yield church_process
    church_process.clear_faults()


@pytest.fixture
def plan(database: Database, pco_manifest: Manifest, tmp_path: Path) -> Iterator[Ticking]:
    with ticking(database, pco_manifest, tmp_path) as found:
        yield found


def shown(plan: Ticking, org: OrgId, entity: EntityName = CONNECTION) -> dict[str, str]:
    """Return what Dagster shows of an org's checks."""
    checks = CONNECTION_CHECKS if entity == CONNECTION else ENTITY_CHECKS
    keys = [dg.AssetCheckKey(asset_key(PCO, entity), kind) for kind in checks]
    found = {}
    for check in keys:
        history = plan.instance.event_log_storage.get_asset_check_execution_history(check, limit=100)
        latest = next((one for one in history if one.partition == org), None)
        if latest is not None:
            found[check.name] = latest.status.value
    return found


def evaluations(plan: Ticking) -> Counter[str]:
    """Return how many evaluations there are of each check."""
    found: Counter[str] = Counter()
    for kind in CONNECTION_CHECKS:
        check = dg.AssetCheckKey(asset_key(PCO, CONNECTION), kind)
        found[kind] = len(plan.instance.event_log_storage.get_asset_check_execution_history(check, limit=100))
    return found


def test_trouble_turns_the_partition_red_without_a_run_and_its_end_green(
    plan: Ticking, own_church: RunningSimulator
) -> None:
    org = plan.connect("grace", own_church)
    plan.full_sync(org)
    runs = plan.instance.get_runs_count()
    assert "nothing is wrong" in (plan.tick("problems").skip_message or "")
    assert shown(plan, org) == GREEN
    told = evaluations(plan)
    plan.tick("problems")
    assert evaluations(plan) == told

    own_church.fault(Fault(path="", kind="status", status=401))
    plan.tick("delta")
    assert (plan.tick("problems").skip_message or "").startswith(
        "1 org must reconnect or is refused an entity: grace; wrote 1 failed and 0 passed checks"
    )
    assert shown(plan, org) == {**GREEN, "connection": "FAILED"}
    check = dg.AssetCheckKey(asset_key(PCO, CONNECTION), "connection")
    (record, *_) = plan.instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert record.event is not None
    assert record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert "openfaith-sync org add grace" in str(evaluation.metadata["what to do"].value)

    plan.run("UPDATE sync.connections SET status = 'active'")
    assert "nothing is wrong" in (plan.tick("problems").skip_message or "")
    assert shown(plan, org)["connection"] == "SUCCEEDED"
    assert plan.instance.get_runs_count() == runs
    assert evaluations(plan).total() == told.total() + 2

    # Old ones are deleted, those of the last days are not.
    assert prune_evaluations(plan.instance, datetime.now(UTC) - timedelta(days=1)) == 0
    # A day later everything is told again.
    plan.run("UPDATE sync.dagster_reports SET reported_at = reported_at - interval '1 day'")
    plan.tick("problems")
    assert evaluations(plan).total() == 2 * told.total() + 2
    assert prune_evaluations(plan.instance, datetime.now(UTC) + timedelta(minutes=1)) == 2 * told.total() + 2
    assert evaluations(plan).total() == 0


def test_a_dead_letter_is_red_on_its_entity_with_ids_until_it_is_replayed(
    plan: Ticking, own_church: RunningSimulator
) -> None:
    org = plan.connect(EMAILS.org, own_church)
    with walking(plan.database) as walk:
        walk.commit(batch([], [rejection("77"), rejection("78")]))
    plan.tick("problems")
    assert shown(plan, org)["dead_letters"] == "FAILED"
    assert shown(plan, org, EMAIL) == {"dead_letters": "FAILED"}
    check = dg.AssetCheckKey(asset_key(PCO, EMAIL), "dead_letters")
    (record, *_) = plan.instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert record.event is not None
    assert record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert evaluation.metadata["count"].value == 2
    # Those that `dead-letters show` takes, not the source's.
    assert evaluation.metadata["newest ids"].value == "2, 1"
    plan.run("UPDATE sync.dead_letters SET resolved_at = now()")
    plan.tick("problems")
    assert shown(plan, org, EMAIL) == {"dead_letters": "SUCCEEDED"}


def test_a_sync_outside_dagster_leaves_its_materialization(plan: Ticking, own_church: RunningSimulator) -> None:
    org = plan.connect("grace", own_church)
    plan.full_sync(org)
    store_reports(plan.database, PCO, {ReportKey(org, PERSON, "materialization"): UNREPORTED}, org)
    for _ in range(2):
        plan.tick("problems")
        wanted = dg.AssetRecordsFilter(asset_key=asset_key(PCO, PERSON), asset_partitions=[org])
        (record,) = plan.instance.fetch_materializations(wanted, limit=10).records
        assert record.asset_materialization is not None
        assert record.asset_materialization.metadata["created"].value == 12


def test_a_person_may_evaluate_the_checks_at_once(plan: Ticking, own_church: RunningSimulator) -> None:
    org = plan.connect("grace", own_church)
    plan.tick("connections")
    plan.run("UPDATE sync.connections SET status = 'reconnect_needed', status_since = now()")
    checks = plan.definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_check_selection={dg.AssetCheckKey(asset_key(PCO, CONNECTION), "connection")}, asset_selection=set()
    )
    result = checks.execute_in_process(instance=plan.instance, partition_key=org)
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.partition) == (False, org)
