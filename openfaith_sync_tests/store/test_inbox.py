"""Events are stored once and for sure, found when they are due, and forgotten when they are old."""

from dataclasses import replace
from datetime import timedelta

import pytest

from openfaith_sync.domain.ids import RECORDS, ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import PassStart, SyncMode
from openfaith_sync.domain.records.merges import Merge, MergeCommit
from openfaith_sync.domain.records.record import JsonObject
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent, RecordStatus, Wait
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import list_inboxes, prune_events, receive, receive_on
from openfaith_sync_tests.store.making import (
    EMAIL,
    ORG,
    OTHER_ORG,
    PCO,
    PEOPLE,
    PERSON,
    TABLES,
    at,
    batch,
    email,
    fetch,
    person,
    run,
    walking,
)

SINGLE = SyncKey(ORG, PCO, RECORDS)
RECORD = PassStart(mode=SyncMode.RECORD, trigger="test", manifest_version="m1")


def event(
    event_id: str,
    external_id: str = "1",
    minutes: float = 0,
    action: EventAction = EventAction.UPDATED,
    payload: JsonObject | None = None,
    parent_id: ExternalId | None = None,
) -> InboxEvent:
    return InboxEvent(
        event_id,
        "email.updated",
        EMAIL,
        ExternalId(external_id),
        action,
        event_time=at(minutes),
        payload=payload,
        parent_id=parent_id,
    )


def test_what_was_received_is_stored_when_the_call_returns_and_once(database: Database) -> None:
    payload = {"id": "1", "type": "Email", "attributes": {"address": "a\0b\ud800@x.org"}}
    events = [event("a", payload=payload, parent_id=ExternalId("9")), event("b\0"), event("a")]
    assert receive(database, ORG, PCO, events) == 2
    assert receive(database, ORG, PCO, events) == 0
    assert receive(database, OTHER_ORG, PCO, events[:1]) == 1
    assert receive(database, ORG, PCO, []) == 0
    stored = fetch(database, "SELECT org_id, entity, external_id, action, parent_id FROM sync.webhook_events")
    assert sorted(stored, key=str) == [
        (ORG, EMAIL, "1", "updated", "9"),
        (ORG, EMAIL, "1", "updated", None),
        (OTHER_ORG, EMAIL, "1", "updated", "9"),
    ]


def test_a_delivery_that_cannot_be_stored_whole_is_not_stored_at_all(database: Database) -> None:
    with database.connect_fleet() as connection, connection.transaction(force_rollback=True):
        assert receive_on(connection, ORG, PCO, [event("a"), event("b")]) == 2
    assert fetch(database, "SELECT count(*) FROM sync.webhook_events") == [(0,)]


def test_the_orgs_with_due_events_are_told_the_longest_waiting_first(database: Database) -> None:
    receive(database, OTHER_ORG, PCO, [event("a")])
    receive(database, ORG, PCO, [event("a"), event("b"), event("c")])
    run(database, "UPDATE sync.webhook_events SET not_before = now() + interval '1 hour' WHERE event_id = 'c'")
    inboxes = [(found.org, found.waiting, found.due) for found in list_inboxes(database)]
    assert inboxes == [(OTHER_ORG, 1, 1), (ORG, 3, 2)]
    (status,) = list_inboxes(database, ORG)
    assert (status.waiting, status.due) == (3, 2)
    run(database, "UPDATE sync.webhook_events SET done_at = now()")
    assert list_inboxes(database) == []


def test_only_what_was_settled_long_ago_is_forgotten(database: Database) -> None:
    receive(database, ORG, PCO, [event("old"), event("new"), event("waiting")])
    run(database, "UPDATE sync.webhook_events SET done_at = now() - interval '40 days' WHERE event_id = 'old'")
    run(database, "UPDATE sync.webhook_events SET done_at = now() WHERE event_id = 'new'")
    run(database, "UPDATE sync.webhook_events SET received_at = now() - interval '90 days'")
    assert prune_events(database, timedelta(days=30)) == 1
    assert fetch(database, "SELECT event_id FROM sync.webhook_events ORDER BY 1") == [("new",), ("waiting",)]


def test_a_reading_has_every_waiting_event_of_its_record_by_the_source_s_clock(database: Database) -> None:
    receive(database, ORG, PCO, [event("late", minutes=5), event("early", minutes=1), event("other", "2")])
    receive(database, OTHER_ORG, PCO, [event("elsewhere")])
    run(database, "UPDATE sync.webhook_events SET not_before = now() + interval '1 hour' WHERE event_id <> 'early'")
    with walking(database, SINGLE, RECORD) as records:
        (reading,) = records.store.load_due_records(SINGLE, 10)
    assert [found.event_id for found in reading.events] == ["early", "late"]
    assert (reading.entity, reading.external_id, reading.status) == (EMAIL, "1", RecordStatus.NEVER)


@pytest.mark.parametrize(
    ("change", "held"),
    [
        (None, RecordStatus.LIVE),
        ("UPDATE openfaith.emails SET deleted_at = now()", RecordStatus.GONE),
    ],
)
def test_a_reading_says_how_its_record_lies_here_and_what_was_applied(
    database: Database, change: str | None, held: RecordStatus
) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1")]))
    if change:
        run(database, change)
    receive(database, ORG, PCO, [event("done", minutes=7, action=EventAction.DESTROYED), event("new", minutes=3)])
    run(database, "UPDATE sync.webhook_events SET done_at = now() WHERE event_id = 'done'")
    with walking(database, SINGLE, RECORD) as records:
        (reading,) = records.store.load_due_records(SINGLE, 10)
    assert (reading.status, reading.applied_to, reading.destroyed_at) == (held, at(7), at(7))


def test_a_reading_says_with_which_record_its_own_was_merged(database: Database) -> None:
    with walking(database, PEOPLE) as walk:
        walk.commit(batch([person("1"), person("2")], entity=PERSON))
        merged = MergeCommit(PERSON, TABLES[PERSON], (Merge(ExternalId("2"), ExternalId("1"), None),), ())
        walk.store.commit_merges(walk.lease, merged)
    receive(database, ORG, PCO, [replace(event("new", "1"), entity=PERSON)])
    with walking(database, SINGLE, RECORD) as records:
        readings = {one.external_id: one for one in records.store.load_due_records(SINGLE, 10)}
    # The survivor is read as well: the other's belongings moved to it.
    assert {one: (found.status, found.merged_into) for one, found in readings.items()} == {
        "1": (RecordStatus.MERGED, "2"),
        "2": (RecordStatus.LIVE, None),
    }


def test_waiting_is_a_row_with_a_time(database: Database) -> None:
    receive(database, ORG, PCO, [event("a"), event("b", "2")])
    with walking(database, SINGLE, RECORD) as records:
        records.store.postpone_events(records.lease, {"a": Wait(60, "not yet")})
        assert [reading.external_id for reading in records.store.load_due_records(SINGLE, 10)] == ["2"]
        assert records.store.count_waiting(SINGLE) == 2
    told = "SELECT attempts, outcome, round(extract(epoch FROM not_before - now())) FROM sync.webhook_events"
    assert fetch(database, f"{told} WHERE event_id = 'a'") == [(1, "not yet", 60)]
