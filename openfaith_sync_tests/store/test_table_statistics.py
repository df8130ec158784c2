"""Right after a large pass, people are joined to their source ids in time that grows with the people only."""

import pytest

from openfaith_sync.domain.ids import ExternalId, OrgId, derive_entity_id
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.passes.table_statistics import LARGE_PASS, SHARE
from openfaith_sync_tests.store.making import (
    EMAIL,
    EMAILS,
    ORG,
    PCO,
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
    "by id": "FROM openfaith.emails held JOIN sync.external_links link ON link.entity_id = held.id",
    "by id and org": """
        FROM openfaith.emails held
        JOIN sync.external_links link ON link.org_id = held.org_id AND link.entity_id = held.id
        WHERE held.org_id = 'first-baptist' AND link.adapter = 'pco' AND link.entity = 'email'""",
    "each looked up": """
        FROM openfaith.emails held
        CROSS JOIN LATERAL (SELECT external_id FROM sync.external_links WHERE entity_id = held.id LIMIT 1) link""",
}
ANALYZED = "SELECT reltuples::int FROM pg_class WHERE oid = %s::regclass"
FEW_DEEP = 6
"""So many steps a row goes through in a plan that is linear."""


@pytest.fixture(autouse=True)
def no_autovacuum(database: Database) -> None:
    """What is known is what the pass made known."""
    for table in ("sync.external_links", "openfaith.emails"):
        run(database, f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        run(database, f"ANALYZE {table}")


def store(database: Database, first: int, count: int) -> None:
    with walking(database) as walk:
        for place in range(first, first + count, PAGE):
            walk.commit(batch([email(str(number)) for number in range(place, min(place + PAGE, first + count))]))
        walk.close()


@pytest.mark.parametrize("join", JOINS)
def test_right_after_a_first_sync_joining_by_our_id_is_linear(database: Database, join: str) -> None:
    store(database, 0, RECORDS)
    with database.connect_fleet() as session:
        statement = f"SELECT count(link.external_id) {JOINS[join]}"
        assert session.execute(statement.encode()).fetchone() == (RECORDS,)
        assert rows_handled(explain(session, statement, {})) < FEW_DEEP * RECORDS


def test_the_source_s_id_of_one_row_is_looked_up_in_an_index(database: Database) -> None:
    store(database, 0, 3 * PAGE)
    ours = derive_entity_id(OrgId(ORG), PCO, EMAIL, ExternalId("7"))
    with database.connect_fleet() as session:
        statement = "SELECT external_id FROM sync.external_links WHERE entity_id = %(id)s"
        assert session.execute(statement, {"id": ours}).fetchall() == [("7",)]
        assert rows_handled(explain(session, statement, {"id": ours})) <= 2


def test_only_a_pass_that_wrote_much_of_a_table_has_it_analyzed(database: Database) -> None:
    def known() -> tuple[int, int]:
        return tuple(fetch(database, ANALYZED, table)[0][0] for table in ("sync.external_links", "openfaith.emails"))

    store(database, 0, LARGE_PASS - 1)
    assert known() == (0, 0)
    store(database, 10_000, 10 * LARGE_PASS)
    stored = LARGE_PASS - 1 + 10 * LARGE_PASS
    assert known() == (stored, stored)
    store(database, 30_000, int(stored * SHARE) - 1)
    assert known() == (stored, stored)


def test_a_pass_ends_well_while_somebody_else_analyzes(database: Database) -> None:
    with database.connect_fleet() as other, other.transaction():
        other.execute("LOCK TABLE sync.external_links, openfaith.emails IN SHARE UPDATE EXCLUSIVE MODE")
        store(database, 0, LARGE_PASS)
    assert fetch(database, "SELECT status FROM sync.passes") == [("complete",)]
    assert fetch(database, "SELECT completed_at IS NOT NULL FROM sync.checkpoints WHERE entity = %s", EMAILS.entity)
