"""A treasurer reads sums of giving, and finds what does not add up."""

import json

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.selection import parse_sensitive
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.connections.selections import turn_on
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.store.given import Giving, utc
from openfaith_sync_tests.store.making import ORG, PCO
from openfaith_sync_tests.ten_entities import SHIPPED


@pytest.fixture
def run(run_stored: Run) -> Run:
    """Runs a command with everything that is shipped."""

    def run_command(*words: str, **environment: str) -> object:
        return run_stored(*words, OPENFAITH_MANIFESTS=str(SHIPPED), **environment)

    return run_command  # type: ignore[return-value]


@pytest.fixture
def giving(database: Database) -> Giving:
    """The gifts of an org that turned giving on."""
    add_connection(database, Connection(ORG, PCO, "https://example.org", BasicCredentials("a", "b")))
    turn_on(database, ORG, PCO, parse_sensitive(read_manifest(SHIPPED, PCO), "giving"))
    church = Giving(database)
    church.put("funds", "a", name="General")
    church.put("batches", "9", name="Sunday", state="committed", total_cents=123_456, currency="USD")
    church.give("1", {"a": 123_456, "b": 44}, utc(2026, 1, 15), batch="9", fee_cents=-100)
    church.refund("1", {"a": 1_000}, utc(2026, 2, 15))
    return church


@pytest.mark.usefixtures("giving")
def test_the_sums_are_printed_for_people_and_in_whole_cents_for_programs(run: Run) -> None:
    shown = run("giving", "totals", ORG, "--by", "fund")
    assert shown.exit_code == 0
    general = next(line for line in shown.stdout.splitlines() if "General" in line)
    assert general.split() == ["General", "USD", "1", "1,234.56", "-10.00", "1,224.56", "0.00", "1,224.56"]
    rows = json.loads(run("giving", "totals", ORG, "--json").stdout)
    sums = [(row["month"], row["gifts"], row["gross_cents"], row["refunded_in_month_cents"]) for row in rows]
    assert sums == [("2026-01-01", 1, 123_500, 0), ("2026-02-01", 0, 0, -1_000)]
    february = ("giving", "totals", ORG, "--json", "--from", "2026-02", "--to", "2026-02")
    assert [row["month"] for row in json.loads(run(*february).stdout)] == ["2026-02-01"]
    (batch,) = json.loads(run("giving", "totals", ORG, "--by", "batch", "--json").stdout)
    assert (batch["name"], batch["stated_cents"], batch["gross_cents"]) == ("Sunday", 123_456, 123_500)


def test_what_differs_is_listed_and_fails(run: Run, giving: Giving) -> None:
    assert run("giving", "check", ORG).exit_code == 0
    giving.give("2", {"a": 5}, amount_cents=777)
    failed = run("giving", "check", ORG, "--json")
    assert failed.exit_code == 1
    assert "1 gift is not the sum of its parts" in failed.stderr
    (found,) = json.loads(failed.stdout)
    assert (found["what"], found["external_id"], found["stated_cents"], found["summed_cents"]) == ("parts", "2", 777, 5)


def test_an_org_that_has_not_turned_giving_on_is_told_how(run: Run, database: Database) -> None:
    add_connection(database, Connection(ORG, PCO, "https://example.org", BasicCredentials("a", "b")))
    refused = run("giving", "totals", ORG)
    assert refused.exit_code == 1
    assert f"openfaith-sync org set {ORG} --adapter pco --sensitive giving" in refused.stderr


@pytest.mark.usefixtures("giving")
def test_a_month_that_is_none_is_wrong_usage(run: Run) -> None:
    refused = run("giving", "totals", ORG, "--from", "March")
    assert refused.exit_code == 2
    assert "'March' is no month such as 2026-03" in refused.stderr
