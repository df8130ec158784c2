"""A page is looked up by the ids of its records, whatever the planner expects of an org."""

import re
from typing import Any

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.pages import page_sql
from openfaith_sync.store.pages.page_statements import store_records
from openfaith_sync.store.pages.pipeline import StatementResult
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.store.making import EMAILS, ORG, PCO, at, batch, email, run, walking
from openfaith_sync_tests.store.plans import Node, explain, rows_handled

HELD, PAGE = 2_000, 20
# The planner then expects ten rows of every org, and would rather read those than look up each id.
SMALL_ORGS = """
INSERT INTO openfaith.emails (org_id, id, adapter, type, external_id, content_hash)
SELECT 'small-' || org, 'email_' || org || '_' || place, 'pco', 'email', place::text, ''
FROM generate_series(1, 2000) org, generate_series(1, 10) place
"""


def test_a_statement_planned_for_an_empty_table_looks_rows_up_by_the_sources_ids(database: Database) -> None:
    with open_store(database, ORG) as store:
        for name, table in CANONICAL_TABLES.items():
            numbers: dict[str, str] = {}

            def number(found: re.Match[str], numbers: dict[str, str] = numbers) -> str:
                return numbers.setdefault(found[1], f"${len(numbers) + 1}")

            statement = re.sub(r"%\((\w+)\)s", number, page_sql.store_records(table).decode())
            plan = store._connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement}".encode()).fetchall()
            scans = [line.split()[4] for (line,) in plan if f" on {name} " in line and "Scan" in line]
            assert scans == [f"{name}_pkey"], name


def test_a_page_of_one_large_org_among_small_ones_reads_no_other_rows_of_it(database: Database) -> None:
    run(database, "ALTER TABLE openfaith.emails SET (autovacuum_enabled = off)")
    run(database, SMALL_ORGS)
    run(database, "ANALYZE openfaith.emails")
    nodes: list[Node] = []
    with walking(database) as walk:
        walk.commit(batch([email(str(number)) for number in range(HELD)]))
        assert walk.store.count_live(EMAILS) == HELD

        def explained(_: str, statement: bytes, parameters: dict[str, Any]) -> StatementResult:
            nodes.extend(explain(walk.store._connection, statement.decode(), parameters))
            return StatementResult()

        page = batch([email(str(number), "new@example.org", at(1)) for number in range(PAGE)])
        known = {"org": ORG, "adapter": PCO, "entity": EMAILS.entity, "pass": walk.opened.pass_id, "since": None}
        store_records(page, page.records, known, explained)
    assert any(node.relation == "emails" for node in nodes)
    assert rows_handled(nodes) < HELD
