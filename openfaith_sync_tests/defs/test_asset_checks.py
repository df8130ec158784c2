"""The asset checks on every entity, on a real database."""

import dagster as dg

from openfaith_sync.defs.assets.asset_checks import build_check_specs, run_checks
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import EMAILS, PCO, batch, email, rejection, walking


def results(database: Database) -> dict[str, dg.AssetCheckEvaluation]:
    return {result.check_name: result for result in run_checks(database, EMAILS)}


def test_each_check_has_a_result(database: Database) -> None:
    names = [spec.name for spec in build_check_specs(PCO, EntityName("email"))]
    assert list(results(database)) == names


def test_dead_letters_are_a_warning_with_their_reasons_and_without_their_values(database: Database) -> None:
    assert results(database)["dead_letters"].passed
    with walking(database) as walk:
        walk.commit(batch([email("1")], [rejection("77"), rejection("78"), rejection("79", "expected a number")]))
    found = results(database)["dead_letters"]
    assert (found.passed, found.severity, found.partition) == (False, dg.AssetCheckSeverity.WARN, EMAILS.org)
    assert found.description == "3 dead letters; all other records are stored"
    assert found.metadata["details"].value == (
        "- 2 × `created_at`: expected a date (found string)\n- 1 × `created_at`: expected a number (found string)"
    )
