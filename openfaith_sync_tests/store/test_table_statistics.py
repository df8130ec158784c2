"""Right after a large pass, records are found by their source ids, and joined, in time that grows with them only."""

from dataclasses import replace

import pytest

from openfaith_sync.domain.ids import RECORDS as INBOX
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.passes.table_statistics import LARGE_PASS, SHARE
from openfaith_sync_tests.store.making import (
    EMAILS,
    ORG,
    batch,
    email,
    fetch,
    run,
    walking,
)
from openfaith_sync_tests.store.plans import explain, rows_handled

RECORDS, PAGE = 20_000, 1_000
# What people of this trade write: with the org and without, from either side, and for a few rows of an entity.
JOINS = {
    "by id": "FROM openfaith.emails one JOIN openfaith.emails other ON other.id = one.id",
    "by id and org": """
        FROM openfaith.emails one JOIN openfaith.emails other ON other.org_id = one.org_id AND other.id = one.id
        WHERE one.org_id = 'first-baptist' AND other.adapter = 'pco' AND other.type = 'email'""",
    "each looked up": """
        FROM openfaith.emails one
        CROSS JOIN LATERAL (
          SELECT external_id FROM openfaith.emails WHERE org_id = one.org_id AND id = one.id LIMIT 1) other""",
}
ANALYZED = "SELECT reltuples::int FROM pg_class WHERE oid = %s::regclass"
FEW_DEEP = 6
"""So many steps a row goes through in a plan that is linear."""


@pytest.fixture(autouse=True)
def no_autovacuum(database: Database) -> None:
    """What is known is what the pass made known."""
    run(database, "ALTER TABLE openfaith.emails SET (autovacuum_enabled = off)")
    run(database, "ANALYZE openfaith.emails")


def store(database: Database, first: int, count: int, key: SyncKey = EMAILS) -> None:
    with walking(database, key) as walk:
        for place in range(first, first + count, PAGE):
            walk.commit(batch([email(str(number)) for number in range(place, min(place + PAGE, first + count))]))
        walk.close()


@pytest.mark.parametrize("join", JOINS)
def test_right_after_a_first_sync_joining_by_our_id_is_linear(database: Database, join: str) -> None:
    store(database, 0, RECORDS)
    with database.connect_fleet() as session:
        statement = f"SELECT count(other.external_id) {JOINS[join]}"
        assert session.execute(statement.encode()).fetchone() == (RECORDS,)
        assert rows_handled(explain(session, statement, {})) < FEW_DEEP * RECORDS


@pytest.mark.parametrize("column", ["id", "external_id"])
def test_one_record_is_found_in_an_index_by_either_id(database: Database, column: str) -> None:
    store(database, 0, 3 * PAGE)
    one = email("7")
    found = {"org": ORG, "id": one.entity_id if column == "id" else one.external_id}
    with database.connect_fleet() as session:
        statement = f"SELECT id, external_id FROM openfaith.emails WHERE org_id = %(org)s AND {column} = %(id)s"
        assert session.execute(statement.encode(), found).fetchall() == [(one.entity_id, one.external_id)]
        assert rows_handled(explain(session, statement, found)) <= 2


def test_only_a_pass_that_wrote_much_of_a_table_has_it_analyzed(database: Database) -> None:
    def known() -> int:
        return int(fetch(database, ANALYZED, "openfaith.emails")[0][0])

    store(database, 0, LARGE_PASS - 1)
    assert known() == 0
    store(database, 10_000, 10 * LARGE_PASS)
    stored = LARGE_PASS - 1 + 10 * LARGE_PASS
    assert known() == stored
    store(database, 30_000, int(stored * SHARE) - 1)
    assert known() == stored


def test_a_pass_ends_well_while_somebody_else_analyzes(database: Database) -> None:
    with database.connect_fleet() as other, other.transaction():
        other.execute("LOCK TABLE openfaith.emails IN SHARE UPDATE EXCLUSIVE MODE")
        store(database, 0, LARGE_PASS)
    assert fetch(database, "SELECT status FROM sync.passes") == [("complete",)]
    assert fetch(database, "SELECT completed_at IS NOT NULL FROM sync.checkpoints WHERE entity = %s", EMAILS.entity)


def test_a_large_pass_over_the_inbox_ends_well(database: Database) -> None:
    store(database, 0, LARGE_PASS, replace(EMAILS, entity=INBOX))
    assert fetch(database, "SELECT status, created FROM sync.passes") == [("complete", LARGE_PASS)]
