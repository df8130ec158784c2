"""What is new in a page is counted without writing; what was announced is told when a pass ends."""

import pytest

from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.passes.passes import PassStart, SyncMode
from openfaith_sync.domain.records.record import MappedBatch
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import (
    EMAIL,
    EMAILS,
    NOON,
    ORG,
    PCO,
    PEOPLE,
    PERSON,
    at,
    batch,
    email,
    fetch,
    person,
    rejection,
    run,
    walking,
)

DELTA = PassStart(mode=SyncMode.DELTA, trigger="test", manifest_version="m1", watermark_from=NOON)


@pytest.mark.parametrize(
    ("page", "news"),
    [
        (batch([email("1")]), 0),
        (batch([email("1"), email("2")]), 1),
        (batch([email("1", "other@x.org", at(1))]), 1),
        (batch([email("1", "other@x.org", NOON)]), 1),
        (batch([email("1", "other@x.org", at(-1))]), 0),
        (batch([email("1", version=at(1))]), 0),
        (batch([], [rejection("7")]), 0),
        (batch([], [rejection("8")]), 1),
    ],
    ids=["same", "a new one", "changed", "changed within the second", "older", "same but newer", "known bad", "bad"],
)
def test_news_are_what_storing_would_change(database: Database, page: MappedBatch, news: int) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1")], [rejection("7")]))
        before = fetch(database, "SELECT xmin::text FROM openfaith.emails")
        assert walk.store.count_changes(EMAILS, page) == news
        assert fetch(database, "SELECT xmin::text FROM openfaith.emails") == before


def test_a_record_that_reappeared_is_news_and_a_merged_one_is_not(database: Database) -> None:
    anna = batch([person("1")], entity=PERSON)
    with walking(database, PEOPLE) as walk:
        walk.commit(anna)
        run(database, "UPDATE openfaith.people SET deleted_at = now()")
        assert walk.store.count_changes(PEOPLE, anna) == 1
        run(database, "UPDATE openfaith.people SET merged_into_id = 'person_2'")
        assert walk.store.count_changes(PEOPLE, anna) == 0


def subscribe(database: Database) -> None:
    run(
        database,
        "INSERT INTO sync.webhook_subscriptions (org_id, adapter, name, subscription_id, url, secret)"
        " VALUES (%s, %s, 'email.updated', '1', 'https://x', '')",
        ORG,
        PCO,
    )


def announce(database: Database, external_id: str) -> None:
    run(
        database,
        "INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action)"
        " VALUES (%s, %s, %s, 'email.updated', %s, %s, 'updated')",
        ORG,
        PCO,
        f"event {external_id}",
        EMAIL,
        ExternalId(external_id),
    )


def test_a_delta_tells_how_much_of_what_changed_was_announced(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1"), email("2"), email("3")]))
        walk.close(NOON)
    subscribe(database)
    announce(database, "1")
    with walking(database, start=DELTA) as walk:
        walk.commit(batch([email("1", "a@x.org", at(1)), email("2", "b@x.org", at(1)), email("3")]))
        report = walk.store.load_announced(walk.lease, walk.opened.pass_id)
        assert report == {"changed": 2, "announced": 1}
        walk.store.write_report(walk.lease, walk.opened.pass_id, report)
        walk.store.write_report(walk.lease, walk.opened.pass_id, {"why": "a test"})
    written = fetch(database, "SELECT report FROM sync.passes WHERE mode = 'delta'")
    assert written == [({"changed": 2, "announced": 1, "why": "a test"},)]


def test_without_subscriptions_nothing_is_said_of_announcements(database: Database) -> None:
    with walking(database, start=DELTA) as walk:
        walk.commit(batch([email("1")]))
        assert walk.store.load_announced(walk.lease, walk.opened.pass_id) == {}
