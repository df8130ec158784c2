"""Which orgs have events to look at: right, and found in one walk through the inbox whatever the planner knows."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.due_records import DUE, LINEAR, load_due_records
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.schedule.planning import add_missing_work
from openfaith_sync.store.schedule.work import Plan, plan_parameters
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, PCO, at, fetch, run
from openfaith_sync_tests.store.plans import explain, rows_handled

ORGS, EVENTS, MOST = 2_000, 10, 50
# As many rows as there are orgs and events, for each of the steps that they go through.
MOST_ROWS = 20 * ORGS * (EVENTS + 1)
CONNECTIONS = """
INSERT INTO sync.connections (org_id, adapter, base_url, auth_method, secret, credentials_version)
SELECT 'org-' || number, 'pco', 'https://example.org', 'basic', '', 1 FROM generate_series(1, %s) number
"""
INBOX = """
INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action, received_at)
SELECT 'org-' || org, 'pco', 'event-' || number, 'person.updated', 'person', number, 'updated',
       now() - interval '1 hour' - org * interval '1 second' - number * interval '1 millisecond'
FROM generate_series(1, %s) org, generate_series(1, %s) number
"""
SETTINGS = "INSERT INTO sync.orgs (org_id) SELECT org_id FROM sync.connections"
TABLES = ("work", "connections", "webhook_events", "orgs", "cadences", "checkpoints", "holds", "breakers")


@pytest.fixture(scope="module")
def plan(pco_manifest: Manifest) -> Plan:
    return Plan.of(pco_manifest, pco_manifest.graph.entities)


@pytest.fixture(scope="module")
def fleet(module_database: Database, plan: Plan) -> Database:
    """As many orgs as a small deployment has, each with events that wait."""
    # Statistics are what a test says they are.
    for table in TABLES:
        run(module_database, f"ALTER TABLE sync.{table} SET (autovacuum_enabled = off)")
    run(module_database, CONNECTIONS, ORGS)
    run(module_database, SETTINGS)
    while add_missing_work(module_database, plan):
        pass
    run(module_database, INBOX, ORGS, EVENTS)
    return module_database


def analyze(database: Database, *tables: str) -> None:
    for table in tables:
        run(database, f"ANALYZE sync.{table}")


def forget_statistics(database: Database) -> None:
    run(database, "DELETE FROM pg_statistic")


def mistake(database: Database, changes: Sequence[tuple[str, str]] = ()) -> None:
    """Gather statistics while a table looks as it does not when the statement runs."""
    for before, _ in changes:
        run(database, before)
    analyze(database, *TABLES)
    for _, after in changes:
        run(database, after)


EVERY_ORG_HAS_A_RUN = ("UPDATE sync.work SET run_key = 'key'", "UPDATE sync.work SET run_key = NULL")
EVERY_EVENT_IS_DONE = (
    "UPDATE sync.webhook_events SET done_at = now()",
    "UPDATE sync.webhook_events SET done_at = NULL",
)
NO_ORG_HAS_SETTINGS = ("DELETE FROM sync.orgs", SETTINGS)
STATISTICS: dict[str, Callable[[Database], None]] = {
    "none": forget_statistics,
    "accurate": mistake,
    "from when every org had a run": partial(mistake, changes=(EVERY_ORG_HAS_A_RUN,)),
    "from when every event was done": partial(mistake, changes=(EVERY_EVENT_IS_DONE,)),
    "from when nothing was to be done": partial(
        mistake, changes=(EVERY_ORG_HAS_A_RUN, EVERY_EVENT_IS_DONE, NO_ORG_HAS_SETTINGS)
    ),
}


@pytest.mark.parametrize("statistics", STATISTICS)
def test_the_inbox_is_walked_through_once_whatever_the_planner_knows(
    fleet: Database, plan: Plan, statistics: str
) -> None:
    STATISTICS[statistics](fleet)
    with fleet.connect_fleet() as session:
        session.execute(LINEAR)
        nodes = explain(session, DUE, {**plan_parameters(plan), "orgs": MOST})
    assert [node.loops for node in nodes if node.relation == "webhook_events"] == [1]
    assert rows_handled(nodes) < MOST_ROWS
    due = load_due_records(fleet, plan, MOST)
    assert [found.work.key.org for found in due] == [f"org-{number}" for number in range(ORGS, ORGS - MOST, -1)]
    assert {(found.events, found.newest) for found in due} == {(EVENTS, "event-1")}


def test_only_orgs_whose_events_are_due_and_that_no_run_is_at_are_given(database: Database, plan: Plan) -> None:
    for org in (ORG, OTHER_ORG):
        add_connection(database, Connection(org, PCO, "https://example.org", BasicCredentials("a", "b")))
        events = [
            InboxEvent(name, "person.updated", EntityName("person"), ExternalId("1"), EventAction.UPDATED, None, None)
            for name in ("first", "second", "later")
        ]
        receive(database, org, PCO, events)
    while add_missing_work(database, plan):
        pass
    run(database, "UPDATE sync.webhook_events SET received_at = %s WHERE event_id = 'first'", at(0))
    run(database, "UPDATE sync.webhook_events SET not_before = now() + interval '1 hour' WHERE event_id = 'later'")
    found = load_due_records(database, plan, MOST)
    assert {(due.work.key.org, due.events, due.newest) for due in found} == {
        (ORG, 2, "second"),
        (OTHER_ORG, 2, "second"),
    }
    run(database, "UPDATE sync.work SET run_key = 'key' WHERE mode = 'records' AND org_id = %s", ORG)
    assert [due.work.key.org for due in load_due_records(database, plan, MOST)] == [OTHER_ORG]
    assert fetch(database, "SELECT count(*) FROM sync.webhook_events WHERE done_at IS NULL") == [(6,)]
