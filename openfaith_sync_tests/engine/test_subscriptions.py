"""What the source announces becomes what the manifest wants to hear, from wherever it begins and however it is cut."""

from datetime import timedelta

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import LeaseHeld, ReconnectRequired, TransientError, UsageError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.webhooks.event_names import announcements
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.domain.webhooks.subscription import SubscriptionReport
from openfaith_sync.engine.webhooks.subscriptions import ensure_subscriptions, remove_subscriptions, rotate_secrets
from openfaith_sync_tests.engine.subscribed_source import KeptSubscriptions, Killed, SubscribedSource, failing
from openfaith_sync_tests.ten_entities import MANIFESTS

PCO = read_manifest(MANIFESTS, "pco")
WANTED = sorted(announcements(PCO))
PUBLIC = "https://sync.example.org/"
URL = "https://sync.example.org/webhooks/pco/grace"
EMAIL, MERGER = "people.v2.events.email.updated", "people.v2.events.person_merger.created"


def ensure(source: SubscribedSource, store: KeptSubscriptions, public_url: str = PUBLIC) -> SubscriptionReport:
    return ensure_subscriptions(PCO, source, store, public_url)


def expect_right(source: SubscribedSource, store: KeptSubscriptions, url: str = URL) -> None:
    """Each event once, active, at our URL, with the secret that we keep; nothing else of ours."""
    ours = [s for s in source.held.values() if s.url == url]
    assert sorted(s.name for s in ours) == sorted(store.known) == WANTED
    for found in ours:
        kept = store.known[found.name]
        assert found.is_active
        assert (kept.subscription_id, kept.url, kept.secret, kept.is_active) == (
            found.subscription_id,
            url,
            found.secret,
            True,
        )


@pytest.fixture
def source() -> SubscribedSource:
    return SubscribedSource()


@pytest.fixture
def store() -> KeptSubscriptions:
    return KeptSubscriptions()


def event(event_id: str) -> InboxEvent:
    return InboxEvent(event_id, EMAIL, EntityName("email"), ExternalId("1"), EventAction.UPDATED)


def test_every_event_of_the_manifest_is_subscribed_to_and_again_costs_one_listing(
    source: SubscribedSource, store: KeptSubscriptions
) -> None:
    report = ensure(source, store)
    assert list(report.created) == WANTED
    assert MERGER in WANTED
    expect_right(source, store)
    source.calls.clear()
    store.pass_time(timedelta(hours=1))
    report = ensure(source, store)
    assert report == SubscriptionReport(
        wanted=len(WANTED), created=[], adopted=[], reactivated=[], removed=[], refused={}
    )
    assert source.calls == ["list"]
    assert {kept.checked_at for kept in store.known.values()} == {store.now}


def test_those_of_others_are_left_alone(source: SubscribedSource, store: KeptSubscriptions) -> None:
    others = [source.put(EMAIL, "https://elsewhere.example/hook"), source.put("people.v2.events.note.created", "x")]
    ensure(source, store)
    assert all(source.held[other.subscription_id] == other for other in others)
    remove_subscriptions(source, store, PUBLIC)
    assert list(source.held.values()) == others
    assert store.known == {}


def test_one_that_is_there_is_adopted_with_its_secret(source: SubscribedSource, store: KeptSubscriptions) -> None:
    there = source.put(EMAIL, URL)
    assert ensure(source, store).adopted == [EMAIL]
    assert store.known[EMAIL].secret == there.secret
    expect_right(source, store)


def test_one_whose_secret_nobody_knows_is_replaced(source: SubscribedSource, store: KeptSubscriptions) -> None:
    there = source.put(EMAIL, URL)
    source.shows_secrets = False
    report = ensure(source, store)
    assert EMAIL in report.created
    assert there.subscription_id not in source.held
    expect_right(source, store)
    # One that we know needs not show its secret.
    source.calls.clear()
    ensure(source, store)
    assert source.calls == ["list"]


def test_of_several_to_one_event_the_one_we_know_stays(source: SubscribedSource, store: KeptSubscriptions) -> None:
    source.put(EMAIL, URL)
    ensure(source, store)
    known = store.known[EMAIL].subscription_id
    added = source.put(EMAIL, URL)
    source.held = {added.subscription_id: added, **source.held}
    ensure(source, store)
    assert [s.subscription_id for s in source.held.values() if s.name == EMAIL] == [known]


def test_a_secret_that_others_rotated_is_taken_over_and_the_old_one_believed_for_a_while(
    source: SubscribedSource, store: KeptSubscriptions
) -> None:
    ensure(source, store)
    before = store.known[EMAIL]
    source.rotate_secret(before.subscription_id)
    ensure(source, store)
    expect_right(source, store)
    assert store.previous[EMAIL] == before.secret


def test_one_that_was_switched_off_is_switched_on_and_what_it_missed_is_fetched(
    source: SubscribedSource, store: KeptSubscriptions
) -> None:
    ensure(source, store)
    seen = store.now
    store.pass_time(timedelta(days=2))
    kept = store.known[EMAIL].subscription_id
    source.switch_off(kept)
    source.undelivered[kept] = [event("a"), event("b")]
    report = ensure(source, store)
    assert (report.reactivated, report.missed_events) == ([EMAIL], 2)
    assert sorted(store.inbox) == ["a", "b"]
    # From when it was last seen active, with room for clocks that differ.
    assert source.asked_since == [seen - timedelta(hours=1)]
    expect_right(source, store)


def test_what_nobody_wants_any_more_is_removed(source: SubscribedSource, store: KeptSubscriptions) -> None:
    ensure(source, store)
    old = source.put("people.v2.events.social_profile.created", URL)
    store.save(old)
    assert ensure(source, store).removed == [old.name]
    expect_right(source, store)


def test_a_new_public_url_gets_new_ones_and_the_old_ones_go_with_what_they_could_not_deliver(
    source: SubscribedSource, store: KeptSubscriptions
) -> None:
    ensure(source, store)
    old = dict(store.known)
    source.undelivered[old[EMAIL].subscription_id] = [event("late")]
    moved = "http://127.0.0.1:8790/base"
    report = ensure(source, store, moved)
    assert list(report.created) == WANTED
    assert report.missed_events == 1
    expect_right(source, store, f"{moved}/webhooks/pco/grace")
    assert not [s for s in source.held.values() if s.url == URL]
    assert store.previous[EMAIL] == old[EMAIL].secret


def test_an_event_that_the_source_does_not_offer_keeps_no_other_one_silent(
    source: SubscribedSource, store: KeptSubscriptions
) -> None:
    source.offered = lambda name: name != EMAIL
    report = ensure(source, store)
    assert report.refused == {EMAIL: "the source refused the request"}
    assert not report.is_complete
    assert sorted(store.known) == [name for name in WANTED if name != EMAIL]


@pytest.mark.parametrize("after", [False, True], ids=["it was not made", "it was made"])
def test_a_creation_whose_answer_was_lost_makes_no_second_one(
    source: SubscribedSource, store: KeptSubscriptions, after: bool
) -> None:
    source.on_call = failing("create", after=after)
    report = ensure(source, store)
    assert list(report.created) == WANTED
    expect_right(source, store)
    assert len(source.held) == len(WANTED)


@pytest.mark.parametrize("after", [False, True], ids=["it was not done", "it was done"])
def test_a_rotation_whose_answer_was_lost_is_found_in_the_list(
    source: SubscribedSource, store: KeptSubscriptions, after: bool
) -> None:
    ensure(source, store)
    before = {name: kept.secret for name, kept in store.known.items()}
    source.on_call = failing("rotate", after=after)
    assert list(rotate_secrets(source, store).rotated) == WANTED
    expect_right(source, store)
    assert store.previous == before


def test_a_source_that_fails_is_told_to_the_caller_and_what_was_done_stays_done(
    source: SubscribedSource, store: KeptSubscriptions
) -> None:
    source.on_call = failing("create", after=False, times=99)
    with pytest.raises(TransientError):
        ensure(source, store)
    source.on_call = failing("list", after=False, error=ReconnectRequired)
    with pytest.raises(ReconnectRequired):
        ensure(source, store)
    source.on_call = lambda _call, _is_done: None
    ensure(source, store)
    expect_right(source, store)


def moments(source: SubscribedSource, until: int) -> None:
    """End the process at the so many-th moment before or after a call."""
    passed = 0

    def on_call(_: str, __: bool) -> None:
        nonlocal passed
        passed += 1
        if passed == until:
            raise Killed

    source.on_call = on_call


def upset(source: SubscribedSource, store: KeptSubscriptions) -> None:
    """Set up every kind of change at once."""
    ensure(source, store)
    names = iter(WANTED)
    gone, off, doubled, rotated = (store.known[next(names)] for _ in range(4))
    del source.held[gone.subscription_id]
    source.switch_off(off.subscription_id)
    source.undelivered[off.subscription_id] = [event("missed")]
    source.put(doubled.name, URL)
    source.rotate_secret(rotated.subscription_id)
    source.put("people.v2.events.note.created", URL)
    store.pass_time(timedelta(hours=3))


def test_killed_at_any_moment_the_next_one_ends_in_the_same() -> None:
    whole, whole_store = SubscribedSource(), KeptSubscriptions()
    upset(whole, whole_store)
    moments(whole, 0)
    whole.calls.clear()
    ensure(whole, whole_store)
    # Two moments a call that changes something, one a call that reads.
    count = len(whole.calls) * 2
    killed = 0
    for moment in range(1, count + 1):
        source, store = SubscribedSource(), KeptSubscriptions()
        upset(source, store)
        moments(source, moment)
        try:
            ensure(source, store)
        except Killed:
            killed += 1
        store.is_held = False
        source.on_call = lambda _call, _is_done: None
        ensure(source, store)
        expect_right(source, store)
        assert list(store.inbox) == ["missed"], moment
    assert killed >= 8


def test_two_at_once_are_one(source: SubscribedSource, store: KeptSubscriptions) -> None:
    with store.hold_lease("the other"):
        for attempt in (ensure, rotate_secrets, remove_subscriptions):
            with pytest.raises(LeaseHeld):
                attempt(source, store)
    assert source.calls == []


def test_removing_goes_on_where_it_was_cut(source: SubscribedSource, store: KeptSubscriptions) -> None:
    ensure(source, store)
    source.on_call = failing("delete", after=True)
    with pytest.raises(TransientError):
        remove_subscriptions(source, store)
    source.on_call = lambda _call, _is_done: None
    remove_subscriptions(source, store)
    assert source.held == {}
    assert store.known == {}


@pytest.mark.parametrize(
    "given", ["sync.example.org", "ftp://x", "https://", "https://a:b@x", "https://x?y", "https://x y"]
)
def test_a_public_url_that_is_none_is_refused_before_anything_is_asked(
    source: SubscribedSource, store: KeptSubscriptions, given: str
) -> None:
    with pytest.raises(UsageError, match="OPENFAITH_PUBLIC_URL"):
        ensure(source, store, given)
    assert source.calls == []


def test_events_of_what_an_org_did_not_choose_are_not_subscribed_to(
    source: SubscribedSource, store: KeptSubscriptions
) -> None:
    ensure(source, store)
    report = ensure_subscriptions(PCO, source, store, PUBLIC, {EntityName("email")})
    emails = {name for name in WANTED if ".email." in name}
    assert emails
    assert set(report.removed) == emails
    assert {one.name for one in source.held.values()} == set(store.known) == set(WANTED) - emails
    assert set(ensure(source, store).created) == emails
