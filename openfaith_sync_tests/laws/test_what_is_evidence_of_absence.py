"""Law 4: a 404 is evidence only when it is the source's own, and never against an event that says the record lives."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.errors import SafetyStop, SourceFailed
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.postgres_store import open_store
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
    merger,
    person,
)
from openfaith_sync_tests.laws.synced_church import GRACE, Synced
from openfaith_sync_tests.store.making import fetch

CREATED, UPDATED, DESTROYED = EventAction.CREATED, EventAction.UPDATED, EventAction.DESTROYED
CHURCH = State()
for number in range(1, 401):
    CHURCH = CHURCH.with_record(PERSON, person(str(number), 1))
NOBODY = State()


@pytest.fixture(scope="module")
def cases(module_database: Database, pco_manifest: Manifest) -> Iterator[Cases]:
    with open_cases(module_database, pco_manifest) as opened:
        yield opened


def synced_case(cases: Cases, *states: State) -> Case:
    case = cases.of(*states)
    # The numbers in these tests assume these limits.
    case.run("INSERT INTO sync.orgs (org_id, deletion_count, deletion_share) VALUES (%s, 10, 0.1)")
    case.poll()
    case.source.reached = 1
    return case


def tell(case: Case, action: EventAction, numbers: Sequence[int], second: int = 2) -> None:
    case.receive(*(announced(second, action, person(str(number), second)) for number in numbers))


def drain_until_held(case: Case) -> SafetyStop | None:
    stop = None
    for _ in range(8):
        try:
            if not case.drain().waiting:
                break
        except SafetyStop as error:
            stop = error
        case.let_time_pass()
    return stop


def drain_over_http(church: Synced) -> None:
    connection = Connection(GRACE, church.manifest.adapter, church.simulator.base_url, BasicCredentials("demo", "demo"))
    with open_store(church.database, GRACE) as store, open_source(church.manifest, connection, attempts=1) as source:
        run_records(Session(church.manifest, source, store, GRACE, "test"))


@pytest.mark.parametrize("action", [UPDATED, DESTROYED])
def test_a_proxys_page_with_status_404_deletes_nobody_whatever_events_say(
    synced: Callable[..., Synced], action: EventAction
) -> None:
    church = synced(PERSON)
    before = church.live(PERSON)
    church.simulator.fault(Fault(kind="status", status=404, body="html", path="/people/v2/people/"))
    events = [InboxEvent(one, "x", PERSON, ExternalId(one), action) for one in sorted(before)[:20]]
    receive(church.database, GRACE, church.manifest.adapter, events)
    with pytest.raises(SourceFailed, match="not the source's own"):
        drain_over_http(church)
    assert church.live(PERSON) == before
    church.simulator.clear_faults()
    assert church.sync(PERSON).counts.tombstoned == 0


def test_a_proxys_page_with_status_404_proves_no_candidate_and_empties_no_list(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON, GROUP, MEMBERSHIP)
    people, members = church.live(PERSON), church.live(MEMBERSHIP)
    church.delete(PERSON, 5)
    church.simulator.fault(Fault(kind="status", status=404, body="html", path="/people/v2/people/"))
    assert church.sync(PERSON).report["still_candidates"] == 5
    church.simulator.fault(Fault(kind="status", status=404, body="html", path="/memberships"))
    with pytest.raises(SourceFailed, match="not the source's own"):
        church.sync(MEMBERSHIP)
    assert (church.live(PERSON), church.live(MEMBERSHIP)) == (people, members)


@pytest.mark.parametrize("action", [CREATED, UPDATED])
def test_300_events_that_say_a_record_lives_delete_nobody_though_the_source_answers_404(
    cases: Cases, action: EventAction
) -> None:
    case = synced_case(cases, CHURCH, NOBODY)
    tell(case, action, range(1, 301))
    assert drain_until_held(case) is None
    assert set(case.outcomes().values()) == {
        "left to the reconciliation: the source does not have it, and no event says that it is gone"
    }
    assert len(case.live(PERSON)) == 400
    case.source.reached = 0
    case.assert_holds(CHURCH)


def test_300_events_that_say_a_record_is_gone_wait_for_a_person(cases: Cases) -> None:
    case = synced_case(cases, CHURCH, NOBODY)
    tell(case, DESTROYED, range(1, 301))
    stop = drain_until_held(case)
    assert "of 400 records of person" in str(stop)
    assert "openfaith-sync holds show" in str(stop)
    assert len(case.live(PERSON)) == 400
    holds = case.run("SELECT missing, status FROM sync.holds WHERE org_id = %s")
    assert holds == [(300, "open")]
    assert all("waits for a person behind hold" in outcome for outcome in case.outcomes().values())


def test_deletions_by_events_add_up_over_a_day(cases: Cases) -> None:
    case = synced_case(cases, CHURCH, NOBODY)
    for first in range(1, 41, 8):
        tell(case, DESTROYED, range(first, first + 8))
        case.drain()
    assert len(case.live(PERSON)) == 360
    tell(case, DESTROYED, [41])
    with pytest.raises(SafetyStop, match=r"1 of 360 .* and 40 were deleted in the last 24 hours"):
        case.drain()
    assert len(case.live(PERSON)) == 360
    case.run("UPDATE openfaith.people SET deleted_at = deleted_at - interval '24 hours' WHERE org_id = %s")
    tell(case, DESTROYED, [42], 3)
    # A day later the day's limit is free again; the month's is not.
    with pytest.raises(SafetyStop, match="40 were deleted in the last 30 days"):
        case.drain()
    case.run("UPDATE openfaith.people SET deleted_at = deleted_at - interval '30 days' WHERE org_id = %s")
    tell(case, DESTROYED, [43], 4)
    case.drain()
    assert len(case.live(PERSON)) == 359


def test_what_came_back_is_no_loss(cases: Cases) -> None:
    case = synced_case(cases, CHURCH, NOBODY, CHURCH)
    tell(case, DESTROYED, range(1, 41))
    case.drain()
    case.source.reached = 2
    tell(case, UPDATED, range(1, 41), 5)
    case.drain()
    assert len(case.live(PERSON)) == 400
    case.source.reached = 1
    tell(case, DESTROYED, range(101, 141), 6)
    case.drain()
    assert len(case.live(PERSON)) == 360


def test_what_hangs_below_a_group_that_is_gone_is_no_loss(cases: Cases) -> None:
    home = State().with_record(GROUP, {"type": "Group", "id": "40", "attributes": {"name": "Choir"}})
    members = [membership(str(number), "40", "1") for number in range(1, 31)]
    for body in members:
        home = home.with_record(MEMBERSHIP, body)
    case = cases.of(home, NOBODY)
    case.receive(announced(1, CREATED, {"type": "Group", "id": "40", "attributes": {}}, GROUP))
    case.receive(*(announced(1, CREATED, body, MEMBERSHIP, parent_id=ExternalId("40")) for body in members))
    case.drain()
    assert len(case.live(MEMBERSHIP)) == 30
    case.source.reached = 1
    case.receive(announced(2, DESTROYED, {"type": "Group", "id": "40", "attributes": {}}, GROUP))
    case.receive(*(announced(2, DESTROYED, body, MEMBERSHIP, parent_id=ExternalId("40")) for body in members))
    case.drain()
    assert case.live(MEMBERSHIP) == {}


WRONG = State(CHURCH.records, tuple(merger("400", str(number), 5) for number in range(1, 41)))


@pytest.mark.parametrize("way", ["a poll", "a reconciliation", "events"])
def test_40_mergers_of_people_who_can_be_read_remove_nobody(cases: Cases, way: str) -> None:
    case = synced_case(cases, CHURCH, WRONG)
    if way == "events":
        case.receive(*(announced(5, EventAction.MERGED, body) for body in WRONG.mergers))
        case.drain_until_nothing_waits()
    else:
        mode = SyncMode.AUTO if way == "a poll" else SyncMode.RECONCILIATION
        assert case.poll(mode=mode).report["merges"] == {"contradicted": 40}
    case.assert_holds(CHURCH)
    assert case.run("SELECT count(*) FROM sync.redirects WHERE org_id = %s") == [(0,)]


def test_a_merger_that_was_contradicted_is_applied_once_its_record_is_gone(cases: Cases) -> None:
    gone = State(CHURCH.without(PERSON, "1").records, WRONG.mergers[:1])
    case = cases.of(CHURCH, State(CHURCH.records, WRONG.mergers[:1]), gone)
    for _ in range(3):
        case.poll(mode=SyncMode.RECONCILIATION if case.source.reached else SyncMode.AUTO)
        case.source.reached += 1
    assert "1" not in case.live(PERSON)
    merged = case.run(
        "SELECT gone.external_id, told.survivor_id FROM openfaith.people gone LEFT JOIN sync.redirects told"
        " ON (told.org_id, told.adapter, told.entity, told.external_id, told.survivor_entity_id)"
        "  = (gone.org_id, gone.adapter, gone.type, gone.external_id, gone.merged_into_id)"
        " WHERE gone.org_id = %s AND gone.deleted_at IS NOT NULL"
    )
    assert merged == [("1", "400")]


HOME = State().with_record(EMAIL, email("51", "1", 0)).with_record(EMAIL, email("52", "2", 0))
for identity in ("1", "2", "3"):
    HOME = HOME.with_record(PERSON, person(identity, 0))


@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.RECONCILIATION])
@pytest.mark.parametrize("chain", [False, True], ids=["one merge", "the middle of a chain"])
def test_a_merge_heals_when_its_record_is_seen_alive_again(cases: Cases, mode: SyncMode, chain: bool) -> None:
    mergers = (merger("2", "1", 3), merger("3", "2", 4)) if chain else (merger("2", "1", 3),)
    without = HOME.without(PERSON, "1")
    without = without.without(PERSON, "2") if chain else without
    back = HOME.without(PERSON, "1") if chain else HOME
    case = cases.of(HOME, State(without.records, mergers), State(back.records, mergers))
    for entity in (PERSON, EMAIL):
        case.poll(entity)
    case.source.reached = 1
    case.poll()
    end = "3" if chain else "2"
    assert {number: owner for number, (_, owner) in case.live(EMAIL).items()} == {"51": end, "52": end}
    case.source.reached = 2
    case.poll(mode=mode)
    case.drain_until_nothing_waits()
    assert case.live(PERSON).keys() == {number for entity, number in back.records if entity == PERSON}
    owners = {number: owner for number, (_, owner) in case.live(EMAIL).items()}
    # Where the chain's first link is right, what it removed leads to its new end.
    assert owners == {"51": "2" if chain else "1", "52": "2"}
    case.poll(mode=SyncMode.RECONCILIATION)
    assert case.live(PERSON).keys() == {number for entity, number in back.records if entity == PERSON}


def test_events_and_reconciliations_share_one_day(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    gone = church.delete(PERSON, 30)
    events = [InboxEvent(one, "x", PERSON, ExternalId(one), DESTROYED) for one in gone[:20]]
    receive(church.database, GRACE, church.manifest.adapter, events)
    drain_over_http(church)
    assert len(church.live(PERSON)) == 220
    with pytest.raises(SafetyStop, match=r"10 of 220 .* and 20 were deleted in the last 24 hours"):
        church.sync(PERSON)
    assert len(church.live(PERSON)) == 220
    assert fetch(church.database, "SELECT missing, status FROM sync.holds") == [(10, "open")]
