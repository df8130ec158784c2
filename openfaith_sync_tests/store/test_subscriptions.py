"""Subscriptions are kept with their secrets encrypted; the engine's fake and the database keep the same."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from openfaith_sync.domain.errors import DefinitionError, LeaseHeld
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.domain.webhooks.subscription import Subscription
from openfaith_sync.engine.ports.subscriptions import SubscriptionStore
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.webhooks.subscriptions import forget_subscriptions, load_secrets, open_subscriptions
from openfaith_sync.store.webhooks.webhook_status import load_webhook_status
from openfaith_sync_tests.engine.subscribed_source import KeptSubscriptions
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, PCO, fetch, run

NAME, OTHER = "people.v2.events.email.updated", "people.v2.events.email.created"
KEPT = Subscription("1", NAME, "https://x.example/webhooks/pco/first-baptist", is_active=True, secret="first")


def event(event_id: str) -> InboxEvent:
    payload = {"id": "7", "attributes": {"name": "a\0b\ud800"}}
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    return InboxEvent(
        event_id, NAME, EntityName("email"), ExternalId("7"), EventAction.UPDATED, ExternalId("9"), payload, noon
    )


@pytest.fixture(params=["fake", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[SubscriptionStore]:
    if request.param == "fake":
        yield KeptSubscriptions(ORG, PCO)
        return
    with open_subscriptions(request.getfixturevalue("database"), ORG, PCO) as opened:
        yield opened


def test_what_is_saved_is_loaded_until_it_is_forgotten(store: SubscriptionStore) -> None:
    assert store.load() == {}
    store.save(KEPT)
    store.save(replace(KEPT, subscription_id="2", name=OTHER, secret="other"))
    found = store.load()
    assert sorted(found) == [OTHER, NAME]
    held = found[NAME]
    assert (held.subscription_id, held.name, held.url, held.is_active, held.secret) == (
        "1",
        NAME,
        KEPT.url,
        True,
        "first",
    )
    store.forget(NAME)
    assert sorted(store.load()) == [OTHER]


def test_one_that_was_seen_inactive_keeps_the_time_when_it_was_active(store: SubscriptionStore) -> None:
    store.save(KEPT)
    seen = store.load()[NAME].checked_at
    store.note_inactive(NAME)
    store.note_inactive(OTHER)
    held = store.load()[NAME]
    assert (held.is_active, held.checked_at) == (False, seen)
    store.note_active([NAME])
    assert store.load()[NAME].is_active
    assert store.load()[NAME].checked_at >= seen
    store.note_active([])


def test_events_are_received_once(store: SubscriptionStore) -> None:
    assert store.receive([]) == 0
    assert store.receive([event("a"), event("b")]) == 2
    assert store.receive([event("b"), event("c")]) == 1


def test_only_one_holds_the_lease(store: SubscriptionStore) -> None:
    with store.hold_lease("the first"):
        pass
    with store.hold_lease("the second"):
        pass


def test_another_process_is_told_who_holds_it(database: Database) -> None:
    with open_subscriptions(database, ORG, PCO) as first, open_subscriptions(database, ORG, PCO) as second:
        with first.hold_lease("the first"), pytest.raises(LeaseHeld, match="the first"), second.hold_lease("x"):
            pass
        with second.hold_lease("the second"):
            pass


def test_a_replaced_secret_is_believed_for_a_day(database: Database) -> None:
    def believed() -> dict[str, tuple[bytes, ...]]:
        with database.connect_fleet() as connection:
            return dict(load_secrets(connection, database.keys, ORG, PCO))

    with open_subscriptions(database, ORG, PCO) as store:
        store.save(KEPT)
        assert believed() == {NAME: (b"first",)}
        store.save(replace(KEPT, secret="second"))
        assert believed() == {NAME: (b"second", b"first")}
        store.save(replace(KEPT, secret="second"))
        assert believed() == {NAME: (b"second", b"first")}
        left = fetch(database, "SELECT previous_until - now() FROM sync.webhook_subscriptions")[0][0]
        assert 23 * 3600 < left.total_seconds() <= 24 * 3600
        run(database, "UPDATE sync.webhook_subscriptions SET previous_until = now()")
        assert believed() == {NAME: (b"second",)}


def test_a_subscription_without_its_secret_is_not_kept(database: Database) -> None:
    with open_subscriptions(database, ORG, PCO) as store:
        with pytest.raises(DefinitionError, match="no secret"):
            store.save(replace(KEPT, secret=None))
        assert store.load() == {}


def test_no_secret_is_shown_or_stored_in_the_open(database: Database) -> None:
    with open_subscriptions(database, ORG, PCO) as store:
        store.save(replace(KEPT, secret="s3cret"))
        store.save(replace(KEPT, secret="s3cret-2"))
        assert "s3cret" not in repr(store.load())
    assert "s3cret" not in repr(KEPT)
    (stored,) = fetch(database, "SELECT secret, previous_secret FROM sync.webhook_subscriptions")
    assert all(b"s3cret" not in value for value in stored)


def test_orgs_do_not_meet(database: Database) -> None:
    for org, secret in ((ORG, "a"), (OTHER_ORG, "b")):
        with open_subscriptions(database, org, PCO) as store:
            store.save(replace(KEPT, secret=secret))
        receive(database, org, PCO, [event("e")])
    assert forget_subscriptions(database, ORG, PCO) == 1
    with database.connect_fleet() as connection:
        assert load_secrets(connection, database.keys, ORG, PCO) == {}
        assert load_secrets(connection, database.keys, OTHER_ORG, PCO) == {NAME: (b"b",)}
        assert load_secrets(connection, database.keys, OrgId("x"), PCO) == {}
    assert fetch(database, "SELECT count(*) FROM sync.webhook_events") == [(2,)]


def test_the_status_names_what_is_subscribed_and_what_came(database: Database) -> None:
    with open_subscriptions(database, ORG, PCO) as store:
        store.save(replace(KEPT, name=OTHER))
    receive(database, ORG, PCO, [event("a"), event("b")])
    run(database, "UPDATE sync.webhook_events SET done_at = now() WHERE event_id = 'a'")
    found = load_webhook_status(database, ORG, PCO)
    assert [(row.name, row.url, row.is_active, row.received, row.waiting, row.malformed) for row in found] == [
        (OTHER, KEPT.url, True, 0, 0, 0),
        (NAME, None, False, 2, 1, 0),
    ]


def test_what_we_ask_ourselves_is_no_event_of_the_source(database: Database) -> None:
    receive(database, ORG, PCO, [event("e-1")])
    run(
        database,
        """INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action, not_before)
           VALUES (%s, 'pco', 'merge:person:1', 'merge', 'person', '1', 'check', now())""",
        ORG,
    )
    assert [(row.name, row.received) for row in load_webhook_status(database, ORG, PCO)] == [(NAME, 1)]
