"""Chains and fans of merges, told in any order and at any time, end where the source ends them."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import permutations

import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import AccessDenied
from openfaith_sync.domain.ids import ExternalId, SyncKey, derive_entity_id, merges_of
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult
from openfaith_sync.domain.records.merges import Merge, MergeCommit, references_to
from openfaith_sync.domain.webhooks.inbox import EventAction
from openfaith_sync.engine.passes.merges import run_merges
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.inbox_case import Case, Cases, open_cases
from openfaith_sync_tests.laws.known_history import (
    EMAIL,
    MEMBERSHIP,
    PERSON,
    State,
    announced,
    at,
    email,
    membership,
    merger,
    person,
)

HOME = State()
for number in ("1", "2", "3"):
    HOME = HOME.with_record(PERSON, person(number, 0)).with_record(EMAIL, email(f"5{number}", number, 0))
WAYS = {"a chain": (("2", "1"), ("3", "2")), "a fan": (("3", "1"), ("3", "2")), "backwards": (("1", "2"), ("3", "1"))}


@pytest.fixture(scope="module")
def cases(module_database: Database, pco_manifest: Manifest) -> Iterator[Cases]:
    with open_cases(module_database, pco_manifest) as opened:
        yield opened


def poll_all(case: Case) -> None:
    for entity in (PERSON, EMAIL):
        case.poll(entity)


def graves(case: Case) -> dict[str, str | None]:
    """Return the rows that were merged, each with what it says it was merged into, by external id."""
    rows = case.run(
        "SELECT t.id, t.merged_into_id FROM openfaith.people t WHERE org_id = %s AND merged_into_id IS NOT NULL"
    )
    told = case.run(
        "SELECT entity_id, survivor_entity_id FROM sync.redirects WHERE org_id = %s AND survivor_entity_id IS NOT NULL"
    )
    assert sorted(told) == sorted(rows), "a redirect and its row name different survivors"
    name_of = {derive_entity_id(case.org, case.manifest.adapter, PERSON, number): number for number in "123"}
    return {name_of[grave]: name_of[into] for grave, into in rows}


@pytest.mark.parametrize("is_held", [True, False], ids=["held before", "never seen before"])
@pytest.mark.parametrize("way", WAYS)
def test_in_every_order_with_a_poll_between_any_two(cases: Cases, way: str, is_held: bool) -> None:
    states, told = [HOME], []
    for second, (kept, removed) in enumerate(WAYS[way], start=1):
        states.append(states[-1].merged(kept, removed, second))
        told.append(announced(second, EventAction.MERGED, merger(kept, removed, second)))
        told.append(announced(second, EventAction.DESTROYED, person(removed, second)))
    for number, arrivals in enumerate(permutations(told)):
        case = cases.of(*states)
        if is_held:
            poll_all(case)
        for place, event in enumerate(arrivals):
            case.source.reached = (2, place // 2, min(2, place // 2 + 1))[number % 3]
            if place == number % 5:
                poll_all(case)
            case.receive(event)
            case.drain()
        case.source.reached = 2
        case.drain_until_nothing_waits()
        told_so = (number, [event.event_id for event in arrivals], case.events())
        if is_held:
            case.assert_holds(states[-1])
            assert graves(case) == {removed: "3" for _, removed in WAYS[way]}, told_so
        poll_all(case)
        case.assert_holds(states[-1])


def test_a_merge_known_before_either_record_leads_what_comes_later(cases: Cases) -> None:
    merged = HOME.merged("2", "1", 3)
    stale = merged.with_record(EMAIL, email("51", "1", 9))
    case = cases.of(merged, stale)
    assert run_merges(Session(case.manifest, case.source, case.store, case.org), PERSON).applied == 1
    case.source.reached = 1
    case.poll(EMAIL)
    case.poll(PERSON)
    assert case.live(EMAIL)["51"] == ("51@9.org", "2")
    assert case.live(PERSON).keys() == {"2", "3"}


def test_a_reference_stored_after_the_merge_follows_it_at_the_end_of_its_own_pass(cases: Cases) -> None:
    case = cases.of(HOME, HOME.merged("2", "1", 3).with_record(EMAIL, email("59", "1", 9)))
    poll_all(case)
    case.source.reached = 1
    case.poll(PERSON)
    case.poll(EMAIL)
    assert case.live(EMAIL)["59"] == ("59@9.org", "2")


def test_a_nested_record_without_a_version_follows_too(cases: Cases) -> None:
    before = HOME.with_record(MEMBERSHIP, membership("7", "40", "1"))
    case = cases.of(before, before.merged("2", "1", 3))
    joined = announced(1, EventAction.CREATED, membership("7", "40", "1"), MEMBERSHIP, parent_id="40")
    case.receive(joined)
    case.drain()
    case.source.reached = 1
    case.poll(PERSON)
    assert case.live(MEMBERSHIP) == {"7": ("member", "2")}
    case.receive(announced(4, EventAction.UPDATED, membership("7", "40", "1"), MEMBERSHIP, parent_id="40"))
    case.drain()
    assert case.live(MEMBERSHIP) == {"7": ("member", "2")}


def test_the_kept_record_may_be_destroyed_later(cases: Cases) -> None:
    case = cases.of(HOME, HOME.merged("2", "1", 1), HOME.merged("2", "1", 1).without(PERSON, "2"))
    poll_all(case)
    case.source.reached = 2
    case.poll(PERSON)
    case.receive(announced(2, EventAction.DESTROYED, person("2", 2)))
    case.drain_until_nothing_waits()
    assert case.live(PERSON).keys() == {"3"}


def test_merges_are_polled_from_the_source_s_clock_and_again_change_nothing(cases: Cases) -> None:
    case = cases.of(HOME, HOME.merged("2", "1", 700))
    poll_all(case)
    case.source.reached = 1
    first = run_merges(Session(case.manifest, case.source, case.store, case.org), PERSON)
    again = run_merges(Session(case.manifest, case.source, case.store, case.org), PERSON)
    assert (first.applied, again.read, again.applied) == (1, 1, 0)
    key = SyncKey(case.org, case.manifest.adapter, merges_of(PERSON))
    assert case.store.load_checkpoint(key).watermark == at(700)
    assert case.store.count_live(SyncKey(case.org, case.manifest.adapter, PERSON)) == 2


def test_more_merges_in_one_second_than_fit_a_page_are_all_applied(cases: Cases) -> None:
    state = State()
    for number in range(1, 251):
        state = State(state.records, (*state.mergers, merger("999", str(number), 5)))
    case = cases.of(state)
    result = run_merges(Session(case.manifest, case.source, case.store, case.org), PERSON)
    assert (result.read, result.applied) == (250, 250)


def test_merges_in_a_circle_are_left_alone(cases: Cases) -> None:
    state = State(HOME.records, (merger("1", "2", 1), merger("2", "1", 2), merger("2", "3", 3)))
    case = cases.of(HOME, state)
    poll_all(case)
    case.source.reached = 1
    case.poll(PERSON)
    assert case.live(PERSON).keys() == {"1", "2", "3"}


def test_a_source_that_refuses_to_tell_of_merges_fails_no_pass_and_is_told_of(cases: Cases) -> None:
    case = cases.of(HOME)
    case.source.before_read = lambda entity, _: AccessDenied("no") if entity == "person_merger" else None
    result = case.poll(PERSON)
    assert result.report["merges"] == {"denied": True}
    assert case.live(PERSON).keys() == {"1", "2", "3"}


def test_a_merge_of_another_org_touches_nothing(cases: Cases) -> None:
    case, other = cases.of(HOME, HOME.merged("2", "1", 1)), cases.of(HOME)
    poll_all(case)
    poll_all(other)
    case.source.reached = 1
    case.poll(PERSON)
    other.assert_holds(HOME)


def test_a_merge_that_the_source_refuses_to_list_is_believed_of_its_event(cases: Cases) -> None:
    case = cases.of(HOME, HOME.merged("2", "1", 3))
    poll_all(case)
    case.source.reached = 1
    case.source.before_read = lambda entity, _: AccessDenied("no") if entity == "person_merger" else None
    case.receive(announced(3, EventAction.MERGED, merger("2", "1", 3)))
    assert case.drain().waiting == 0
    case.assert_holds(HOME.merged("2", "1", 3))
    assert case.outcomes()["3-merged-person-1"] == "merged into 2"


def test_a_merge_that_the_source_does_not_list_yet_waits_and_the_record_is_gone(cases: Cases) -> None:
    gone = HOME.without(PERSON, "1")
    case = cases.of(HOME, gone, HOME.merged("2", "1", 3))
    poll_all(case)
    case.source.reached = 1
    case.receive(announced(3, EventAction.MERGED, merger("2", "1", 3)))
    assert case.drain().waiting == 1
    assert case.live(PERSON).keys() == {"2", "3"}
    case.source.reached = 2
    case.let_time_pass()
    case.drain_until_nothing_waits()
    case.assert_holds(HOME.merged("2", "1", 3))


def test_a_reference_stored_while_a_merge_is_applied_follows_it(cases: Cases, module_database: Database) -> None:
    case = cases.of(HOME, HOME.with_record(EMAIL, email("59", "1", 9)))
    poll_all(case)
    key = SyncKey(case.org, case.manifest.adapter, merges_of(PERSON))
    known = (Merge(ExternalId("2"), ExternalId("1"), at(3)),)
    references = references_to(case.manifest, PERSON)
    case.source.reached = 1
    with (
        open_store(module_database, case.org) as store,
        store.hold_lease(key, "a test") as lease,
        ThreadPoolExecutor(1) as thread,
        store._connection.transaction(),
    ):
        store.commit_merges(lease, MergeCommit(PERSON, CANONICAL_TABLES["people"], known, references))
        # Stores the e-mail with the reference of old, and waits to follow what is not committed yet.
        stored = thread.submit(case.poll, EMAIL)
        wait_until_it_waits(module_database, stored)
    assert stored.result(timeout=30).counts.created == 1
    assert case.live(EMAIL)["59"] == ("59@9.org", "2")


def wait_until_it_waits(database: Database, work: Future[PassResult]) -> None:
    """Return when another session waits for an advisory lock, or the work is done without waiting."""
    with database.connect_fleet() as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not work.done() and not connection.execute(waiting).fetchall()[0][0]:
            connection.execute("SELECT pg_sleep(0.01)")
