"""The asset checks on every entity, on a real database."""

from datetime import timedelta

import dagster as dg

from openfaith_sync.defs.assets.asset_checks import build_check_specs, pass_checks, run_checks
from openfaith_sync.domain.passes.passes import Counts, PassResult, SyncMode
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import EMAILS, batch, email, rejection, walking

RESULT = PassResult(EMAILS, SyncMode.FULL, Counts(), 1, 1, 1, 1, None, timedelta(seconds=1))


def results(database: Database) -> dict[str | None, dg.AssetCheckResult]:
    return {result.check_name: result for result in run_checks(database, RESULT)}


def test_each_check_has_a_result_after_a_sync_and_for_an_unavailable_entity(database: Database) -> None:
    names = [spec.name for spec in build_check_specs(dg.AssetKey(["pco", "email"]))]
    assert list(results(database)) == names
    unavailable = pass_checks("not available")
    assert [(result.check_name, result.passed) for result in unavailable] == [(name, True) for name in names]


def test_dead_letters_are_a_warning_with_their_reasons_and_without_their_values(database: Database) -> None:
    assert results(database)["dead_letters"].passed
    with walking(database) as walk:
        walk.commit(batch([email("1")], [rejection("77"), rejection("78"), rejection("79", "expected a number")]))
    found = results(database)["dead_letters"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == "3 dead letters; all other records are stored"
    assert found.metadata["details"].value == (
        "- 2 × `created_at`: expected a date (found string)\n- 1 × `created_at`: expected a number (found string)"
    )
