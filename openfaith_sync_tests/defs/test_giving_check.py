"""The check of giving is on the entity of gifts, warns, and tells numbers of records alone."""

from datetime import UTC, datetime

import dagster as dg

from openfaith_sync.defs.checks.check_names import CONNECTION_CHECKS, ENTITY_CHECKS, checks_of
from openfaith_sync.defs.checks.check_states import find_news, find_states
from openfaith_sync.defs.checks.evaluations import build_evaluation
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.problems.giving_differences import GivingDifference, giving_problem
from openfaith_sync.domain.problems.problem import ProblemKind
from openfaith_sync.store.admin.dagster_reports import ReportKey
from openfaith_sync.store.admin.org_figures import OrgFigures

GRACE, PCO, GIFTS = OrgId("grace"), AdapterName("pco"), EntityName("donation")
PROBLEM = giving_problem(
    SyncKey(GRACE, PCO, GIFTS),
    {GivingDifference.BATCH: 1, GivingDifference.MONTH: 2},
    datetime(2026, 3, 1, tzinfo=UTC),
)
KEY = ReportKey(GRACE, GIFTS, ProblemKind.GIVING_TOTALS)


def test_the_check_shows_on_the_gifts_and_not_on_the_connection() -> None:
    assert find_states([PROBLEM]) == {KEY: [PROBLEM]}
    assert find_news(find_states([PROBLEM]), {}, ()) == [KEY]
    assert ProblemKind.GIVING_TOTALS not in {**CONNECTION_CHECKS, **ENTITY_CHECKS}


def test_only_the_entity_of_gifts_has_the_check(pco_manifest: Manifest) -> None:
    person = pco_manifest.entities[EntityName("person")]
    assert ProblemKind.GIVING_TOTALS not in checks_of(person)
    assert ProblemKind.GIVING_TOTALS in checks_of(person.model_copy(update={"table": "donations"}))


def test_what_does_not_add_up_fails_the_check_as_a_warning() -> None:
    evaluation = build_evaluation(PCO, KEY, [PROBLEM], OrgFigures())
    assert evaluation.asset_key == dg.AssetKey(["pco", "donation"])
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.description == (
        "giving does not add up: 1 committed batch is not the sum of its gifts; "
        "2 months have other numbers of gifts than the source counts"
    )
    assert evaluation.metadata["count"].value == 3
    assert evaluation.metadata["what to do"].value == "openfaith-sync giving check grace --adapter pco"


def test_what_adds_up_passes_the_check() -> None:
    evaluation = build_evaluation(PCO, KEY, [], OrgFigures())
    assert (evaluation.passed, evaluation.description) == (True, "giving adds up")
