"""What becomes of each kind of event: early, late, twice, refused, nested, or of a record that is no more."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from openfaith_sync.domain.errors import AccessDenied, ReconnectRequired, SyncError, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord
from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.event_resolution import EARLY_WAITS
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.inbox_case import Case, Cases, open_cases
from openfaith_sync_tests.laws.known_history import (
    EMAIL,
    GROUP,
    MEMBERSHIP,
    PERSON,
    State,
    announced,
    email,
    membership,
    person,
)
from openfaith_sync_tests.laws.rows import RECORDS

CREATED, UPDATED, DESTROYED = EventAction.CREATED, EventAction.UPDATED, EventAction.DESTROYED
ANNA = State().with_record(PERSON, person("1", 1))


@pytest.fixture(scope="module")
def cases(module_database: Database, pco_manifest: Manifest) -> Iterator[Cases]:
    with open_cases(module_database, pco_manifest) as opened:
        yield opened


def refuse(error: SyncError, *numbers: str) -> Callable[[EntityName, str], SyncError | None]:
    return lambda _entity, number: error if number in numbers else None


def waits(case: Case) -> list[int]:
    """Return in how many seconds each waiting event is looked at again."""
    rows = case.run(
        "SELECT round(extract(epoch FROM not_before - now())) FROM sync.webhook_events"
        " WHERE org_id = %s AND done_at IS NULL ORDER BY event_id"
    )
    return [int(row[0]) for row in rows]


def listings(case: Case) -> list[tuple[Any, ...]]:
    return case.run(
        "SELECT parent_id, listed, parent_hash FROM sync.parent_listings WHERE org_id = %s ORDER BY parent_id"
    )


def test_events_of_one_record_are_one_reading(cases: Cases) -> None:
    case = cases.of(ANNA)
    case.receive(*(announced(step, UPDATED, person("1", 1)) for step in range(5)))
    result = case.drain()
    assert (result.events, result.records, result.requests, result.waiting) == (5, 1, 1, 0)
    assert result.counts == {PERSON: Counts(created=1)}
    assert set(case.outcomes().values()) == {"stored"}


def test_the_same_event_twice_is_stored_once(cases: Cases) -> None:
    case = cases.of(ANNA)
    event = announced(1, CREATED, person("1", 1))
    assert [case.receive(event, event), case.receive(event)] == [1, 0]
    case.drain()
    assert case.receive(event) == 0
    assert case.drain().events == 0


def test_a_record_that_is_not_there_yet_is_looked_at_again_by_the_clock_of_the_database(cases: Cases) -> None:
    case = cases.of(State(), ANNA)
    case.receive(announced(1, CREATED, person("1", 1)))
    for seconds in EARLY_WAITS:
        result = case.drain()
        assert (result.events, result.waiting, waits(case)) == (0, 1, [seconds])
        assert case.drain().records == 0
        case.let_time_pass()
    case.source.reached = 1
    case.drain()
    case.assert_holds(ANNA)


def test_a_record_that_never_comes_is_given_up_after_the_last_wait(cases: Cases) -> None:
    case = cases.of(State())
    case.receive(announced(1, CREATED, person("1", 1)))
    case.drain_until_nothing_waits()
    assert list(case.outcomes().values()) == ["gone before it was seen"]
    assert len(case.source.read) == len(EARLY_WAITS) + 1


def test_a_record_that_is_gone_is_tombstoned_once(cases: Cases) -> None:
    case = cases.of(ANNA, State())
    case.poll()
    case.source.reached = 1
    case.receive(announced(2, DESTROYED, person("1", 2)), announced(1, UPDATED, person("1", 1)))
    result = case.drain()
    assert result.counts[PERSON] == Counts(tombstoned=1)
    assert (result.waiting, set(case.outcomes().values())) == (0, {"gone"})
    case.receive(announced(3, DESTROYED, person("1", 3)))
    assert case.drain().counts == {}


def test_a_record_that_is_still_there_is_stored_and_its_end_looked_for_again(cases: Cases) -> None:
    case = cases.of(ANNA)
    case.receive(announced(2, DESTROYED, person("1", 2)))
    assert case.drain().waiting == 1
    case.assert_holds(ANNA)
    case.drain_until_nothing_waits()
    assert list(case.outcomes().values()) == ["stored as the source shows it"]
    case.assert_holds(ANNA)


def test_a_source_that_shows_an_older_version_than_the_event_is_asked_again(cases: Cases) -> None:
    case = cases.of(ANNA, State().with_record(PERSON, person("1", 2)))
    case.receive(announced(2, UPDATED, person("1", 2)))
    assert case.drain().waiting == 1
    case.source.reached = 1
    case.let_time_pass()
    assert case.drain().waiting == 0
    case.assert_holds(case.source.state)


def test_a_record_that_may_not_be_read_is_stored_as_its_newest_event_shows_it(cases: Cases) -> None:
    case = cases.of(ANNA)
    case.source.before_read = refuse(AccessDenied("no"), "1")
    case.receive(announced(4, UPDATED, person("1", 4)), announced(2, CREATED, person("1", 2)))
    case.drain()
    assert case.live(PERSON) == {"1": ("Anna 4", None)}
    case.receive(announced(3, UPDATED, person("1", 3)))
    case.drain()
    assert case.live(PERSON) == {"1": ("Anna 4", None)}


def test_an_event_older_than_one_before_overwrites_nothing_where_records_have_no_version(cases: Cases) -> None:
    case = cases.of(State())
    case.source.before_read = refuse(AccessDenied("no"), "7")
    for step, role in ((3, "leader"), (2, "member")):
        body = membership("7", "40", "1", role)
        case.receive(announced(step, UPDATED, body, MEMBERSHIP, parent_id=ExternalId("40")))
        case.drain()
    assert case.live(MEMBERSHIP)["7"][0] == "leader"
    assert case.outcomes()["2-updated-group_membership-7"].startswith("waits for reconciliation")


def test_an_end_that_may_not_be_proven_waits_for_the_reconciliation(cases: Cases) -> None:
    case = cases.of(ANNA)
    case.poll()
    case.source.before_read = refuse(AccessDenied("no"), "1")
    case.receive(announced(2, DESTROYED, person("1", 2)))
    assert case.drain().waiting == 0
    assert case.outcomes()["2-destroyed-person-1"].startswith("waits for reconciliation")
    case.assert_holds(ANNA)


def test_one_record_that_cannot_be_read_keeps_no_other_waiting(cases: Cases) -> None:
    both = ANNA.with_record(PERSON, person("2", 1))
    case = cases.of(both)
    case.source.before_read = refuse(TransientError("busy"), "1")
    case.receive(announced(1, CREATED, person("1", 1)), announced(1, CREATED, person("2", 1)))
    result = case.drain()
    assert (result.events, result.waiting, waits(case)) == (1, 1, [5])
    assert case.live(PERSON).keys() == {"2"}
    case.source.before_read = refuse(TransientError("busy"))
    case.let_time_pass()
    case.drain()
    case.assert_holds(both)


def test_when_nothing_can_be_read_the_run_fails_and_the_events_wait(cases: Cases) -> None:
    case = cases.of(ANNA)
    case.source.before_read = refuse(TransientError("busy"), "1")
    case.receive(announced(1, CREATED, person("1", 1)))
    with pytest.raises(TransientError, match="busy"):
        case.drain()
    assert waits(case) == [5]


def test_refused_credentials_stop_the_run_and_the_events_stay_due(cases: Cases) -> None:
    case = cases.of(ANNA)
    case.source.before_read = refuse(ReconnectRequired("authorise again"), "1")
    case.receive(announced(1, CREATED, person("1", 1)))
    with pytest.raises(ReconnectRequired):
        case.drain()
    assert waits(case) == [0]


def test_a_record_that_cannot_be_mapped_is_set_aside_and_its_event_settled(cases: Cases) -> None:
    bad = {**person("1", 1), "attributes": ["Anna"]}
    case = cases.of(State().with_record(PERSON, bad).with_record(PERSON, person("2", 1)))
    case.receive(announced(1, CREATED, bad), announced(1, CREATED, person("2", 1)))
    result = case.drain()
    assert (result.counts[PERSON], result.waiting) == (Counts(created=1, dead=1), 0)
    assert case.outcomes()["1-created-person-1"] == "set aside as a dead letter"


def test_an_event_of_an_entity_that_is_not_synced_is_settled_unread(cases: Cases) -> None:
    case = cases.of(ANNA)
    stranger = replace(announced(1, CREATED, person("1", 1)), entity=EntityName("workflow"))
    case.receive(stranger)
    assert case.drain().events == 1
    assert case.source.read == []


def test_a_child_whose_parent_is_unknown_is_stored_and_its_reference_heals(cases: Cases) -> None:
    home = ANNA.with_record(EMAIL, email("5", "1", 1))
    case = cases.of(home)
    case.receive(announced(1, CREATED, email("5", "1", 1), EMAIL))
    case.drain()
    assert case.live(EMAIL) == {"5": ("5@1.org", None)}
    case.receive(announced(1, CREATED, person("1", 1)))
    case.drain()
    case.assert_holds(home)


def test_children_come_with_a_record_and_none_is_lost_when_they_do_not(cases: Cases) -> None:
    home = ANNA.with_record(EMAIL, email("5", "1", 1))
    case = cases.of(home, ANNA.with_record(PERSON, person("1", 2)))
    case.receive(announced(1, CREATED, person("1", 1)))
    case.drain()
    case.assert_holds(home)
    case.source.reached = 1
    case.receive(announced(2, UPDATED, person("1", 2)))
    case.drain()
    assert case.live(EMAIL) == {"5": ("5@1.org", "1")}


def test_what_is_read_by_its_own_id_counts_before_what_came_along(cases: Cases) -> None:
    home = ANNA.with_record(EMAIL, email("5", "1", 1))
    case = cases.of(home)
    lagging = {**email("5", "1", 1), "attributes": {**email("5", "1", 1)["attributes"], "primary": False}}
    children = case.source._children
    case.source._children = lambda child, owners: (  # type: ignore[method-assign]  # of this case alone
        tuple(raw._replace(attributes=lagging["attributes"]) for raw in children(child, owners))
    )
    case.receive(announced(1, CREATED, person("1", 1)), announced(1, UPDATED, email("5", "1", 1), EMAIL))
    case.drain()
    assert case.run("SELECT t.primary FROM openfaith.emails t WHERE org_id = %s") == [(None,)]


@pytest.mark.parametrize("names_parent", ["by the receiver", "in the payload"])
def test_a_nested_record_is_read_under_its_parent_and_joins_its_list(cases: Cases, names_parent: str) -> None:
    body = membership("7", "40", "1")
    case = cases.of(State().with_record(MEMBERSHIP, body))
    more = {"parent_id": ExternalId("40")} if names_parent == "by the receiver" else {}
    case.receive(announced(1, CREATED, body, MEMBERSHIP, **more))
    case.drain()
    assert case.source.read == [(MEMBERSHIP, "7", "40")]
    assert listings(case) == [("40", ["7"], None)]


def test_a_nested_record_that_left_its_parent_is_tombstoned_by_our_own_knowledge_of_the_parent(cases: Cases) -> None:
    there = State().with_record(MEMBERSHIP, membership("7", "40", "1"))
    there = there.with_record(GROUP, {"type": "Group", "id": "40", "attributes": {"name": "Choir"}})
    case = cases.of(there, there.without(MEMBERSHIP, "7"))
    case.receive(announced(1, CREATED, membership("7", "40", "1"), MEMBERSHIP))
    case.receive(announced(1, CREATED, {"type": "Group", "id": "40", "attributes": {}}, GROUP))
    case.drain()
    case.source.reached = 1
    bare = {"type": "Membership", "id": "7"}
    case.receive(announced(2, DESTROYED, bare, MEMBERSHIP))
    case.drain()
    assert case.source.read[-1] == (MEMBERSHIP, "7", "40")
    assert case.live(MEMBERSHIP) == {}


def test_a_nested_record_whose_parent_nobody_knows_waits_for_the_reconciliation(cases: Cases) -> None:
    case = cases.of(State())
    case.receive(announced(2, DESTROYED, {"type": "Membership", "id": "7"}, MEMBERSHIP))
    assert case.drain().waiting == 0
    assert case.outcomes()["2-destroyed-group_membership-7"].startswith("waits for reconciliation")


def test_an_event_that_comes_while_its_record_is_read_is_read_again(cases: Cases) -> None:
    case = cases.of(ANNA)
    case.receive(announced(1, CREATED, person("1", 1)))
    late = announced(2, UPDATED, person("1", 1))
    arrived: list[int] = []

    def arrive(*_: object) -> None:
        if not arrived:
            arrived.append(case.receive(late))

    case.source.before_read = arrive
    result = case.drain()
    assert (result.events, result.records) == (2, 2)


def test_several_records_are_read_side_by_side(cases: Cases) -> None:
    state = State()
    for number in range(1, 9):
        state = state.with_record(PERSON, person(str(number), 1))
    case = cases.of(state)
    together = threading.Barrier(4, timeout=30)

    def wait_for_others(*_: object) -> None:
        together.wait()

    case.source.before_read = wait_for_others
    case.receive(*(announced(1, CREATED, person(str(number), 1)) for number in range(1, 9)))
    run_records(Session(case.manifest, case.source, case.store, case.org, "test"))
    case.assert_holds(state)


def test_more_events_than_a_batch_are_drained_in_several_and_time_ends_them(cases: Cases) -> None:
    state = State()
    for number in range(1, 131):
        state = state.with_record(PERSON, person(str(number), 1))
    case = cases.of(state)
    case.receive(*(announced(1, CREATED, person(str(number), 1)) for number in range(1, 131)))
    told: list[int] = []
    result = case.drain(most_seconds=0, on_progress=lambda result: told.append(result.events))
    assert (result.events, result.waiting, told) == (100, 30, [100])
    assert case.drain().events == 30
    case.assert_holds(state)


def test_an_unfinished_check_of_a_record_that_nobody_holds_is_settled(cases: Cases) -> None:
    case = cases.of(State())
    case.receive(InboxEvent("conflict:1", "conflict", PERSON, ExternalId("1"), EventAction.CHECK))
    assert case.drain().waiting == 0
    assert case.run(f"SELECT count(*) FROM ({RECORDS}) held WHERE org_id = %s") == [(0,)]


def test_a_record_found_gone_by_another_while_it_was_read_does_not_come_back(cases: Cases) -> None:
    case = cases.of(ANNA, State())
    case.poll()
    read = case.source.read_record

    def read_and_lose(
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        shown = read(entity, external_id, parent, ancestors)
        if case.source.reached == 0:
            case.run("UPDATE openfaith.people SET deleted_at = clock_timestamp() WHERE org_id = %s")
            case.source.reached = 1
        return shown

    case.source.read_record = read_and_lose  # type: ignore[method-assign]  # of this case alone
    case.receive(announced(1, UPDATED, person("1", 1)))
    case.drain()
    assert case.live(PERSON) == {}
    assert [(name, is_done) for name, is_done, *_ in case.events() if name.startswith("conflict")]
    case.drain_until_nothing_waits()
    assert case.live(PERSON) == {}
