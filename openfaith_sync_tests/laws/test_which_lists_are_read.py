"""The list of a parent is read where it can have changed, and is proof of absence only where it was read."""

from typing import Any

import pytest

from openfaith_sync.domain.errors import SourceFailed
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent, RecordsResult
from openfaith_sync.engine.passes.probe import probe_entity
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync_tests.laws.nested_church import (
    ITEM,
    PERSON,
    PLAN,
    REMINDER,
    SUMMARY,
    TIME,
    TYPE,
    Killed,
    ServicesSync,
    days,
)
from openfaith_sync_tests.store.making import fetch

COMPARED = pytest.mark.parametrize("mode", [SyncMode.DELTA, SyncMode.RECONCILIATION])


def begin_items(services: ServicesSync, **starts: float) -> None:
    """Sync plans that start so many days from now, with two items each."""
    for plan, start in starts.items():
        services.source.put(PLAN, plan[1:], "40", starts_at=days(start), items_count=2)
        for n in range(2):
            services.source.put(ITEM, f"{plan[1:]}{n}", plan[1:])
    services.sync_all(TYPE, PLAN)
    services.sync(ITEM)


def change_plan(services: ServicesSync, plan: str, **attributes: Any) -> None:
    services.source.pass_by(minutes=10)
    services.source.put(PLAN, plan, **attributes)
    services.sync(PLAN, SyncMode.DELTA)


def announce(services: ServicesSync, *plans: str) -> RecordsResult:
    """Process an event for each of these plans."""
    known = fetch(services.database, "SELECT count(*) FROM sync.webhook_events")[0][0]
    events = [
        InboxEvent(f"{known}-{plan}", "plan.updated", PLAN, ExternalId(plan), EventAction.UPDATED) for plan in plans
    ]
    receive(services.database, services.org, services.manifest.adapter, events)
    services.source.queries.clear()
    with services.session() as session:
        return run_records(session)


def has_work(services: ServicesSync, entity: EntityName) -> tuple[bool, int]:
    with services.session() as session:
        probe = probe_entity(session, entity)
    return probe.has_work, probe.requests


def test_parents_that_do_not_meet_the_conditions_are_not_read(services: ServicesSync) -> None:
    begin_items(services, p900=-100, p901=-900)
    assert services.live(ITEM) == {"9000", "9001"}
    result = services.sync(ITEM, SyncMode.FULL)
    assert (result.report["parents_excluded"], result.report["parents_read"]) == (1, 7)
    # A longer history is read by the next delta.
    set_org(services.database, services.org, history_months=36)
    assert services.sync(ITEM, SyncMode.DELTA).requests == 1
    assert services.live(ITEM) == services.truth(ITEM)


@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.RECONCILIATION, SyncMode.DELTA])
def test_records_below_a_parent_that_no_longer_meets_the_conditions_are_kept(
    services: ServicesSync, mode: SyncMode
) -> None:
    begin_items(services, p900=-100)
    change_plan(services, "900", starts_at=days(-3000))
    services.source.rows[ITEM] = {}
    for _ in range(3):
        result = services.sync(ITEM, mode)
        assert (result.report["missing"], result.counts.tombstoned) == (0, 0)
        assert "900" not in services.source.lists_read(ITEM)
    assert services.live(ITEM) == {"9000", "9001"}


def test_no_record_below_a_parent_that_was_not_read_becomes_a_candidate(services: ServicesSync) -> None:
    begin_items(services, p900=-100, p901=-3)
    # As where its list was never noted: a record that only an event brought.
    with services.database.connect_fleet() as connection:
        connection.execute(b"UPDATE sync.parent_listings SET listed = '{}' WHERE parent_id = '900'")
    services.source.rows[ITEM] = {}
    result = services.sync(ITEM, SyncMode.RECONCILIATION)
    assert (result.report["parents_frozen"], result.counts.tombstoned) == (1, 2)
    assert services.live(ITEM) == {"9000", "9001"}


@COMPARED
def test_a_frozen_parent_is_not_read_again_and_proves_nothing(services: ServicesSync, mode: SyncMode) -> None:
    begin_items(services, p900=-100, p901=-3)
    services.source.rows[ITEM] = {}
    for _ in range(2):
        assert services.sync(ITEM, mode).report["parents_frozen"] == 1
        assert "900" not in services.source.lists_read(ITEM)
    assert services.live(ITEM) >= {"9000", "9001"}
    # A person asks for everything.
    result = services.sync(ITEM, SyncMode.FULL)
    assert "900" in services.source.lists_read(ITEM)
    assert (result.report["still_candidates"], services.live(ITEM)) == (0, set())


@COMPARED
def test_only_the_attributes_that_the_manifest_names_make_a_list_due(services: ServicesSync, mode: SyncMode) -> None:
    begin_items(services, p900=-100)
    change_plan(services, "900", name="Renamed")
    services.sync(ITEM, mode)
    assert "900" not in services.source.lists_read(ITEM)
    services.source.put(ITEM, "9002", "900")
    change_plan(services, "900", items_count=3)
    services.sync(ITEM, mode)
    assert services.source.lists_read(ITEM).count("900") == 1
    assert services.live(ITEM) == services.truth(ITEM)
    services.sync(ITEM, mode)
    assert "900" not in services.source.lists_read(ITEM)


def test_an_event_makes_the_lists_of_its_parent_due_and_they_are_read_at_once(services: ServicesSync) -> None:
    begin_items(services, p900=-100)
    services.source.put(ITEM, "9002", "900")
    result = announce(services, "900")
    # The plan did not change, and its items are frozen.
    assert (result.events, result.counts[PLAN].unchanged, result.counts[ITEM].created) == (1, 1, 1)
    assert services.source.lists_read(ITEM) == ["900"]
    assert services.live(ITEM) == services.truth(ITEM)
    assert services.sync(ITEM, SyncMode.DELTA).requests == 0
    # Entities that were never synced are left to their first sync.
    assert services.live(PERSON) == set()


def test_an_event_while_a_list_is_read_makes_it_due_again(services: ServicesSync) -> None:
    begin_items(services, p900=-100)
    announce_of, read_page = announce, services.source.read_page
    services.source.put(ITEM, "9002", "900")

    def read_late(query: object) -> object:
        page = read_page(query)  # type: ignore[arg-type]
        if getattr(query, "entity", None) == ITEM and getattr(query, "parent", None) == "900":
            services.source.read_page = read_page  # type: ignore[method-assign]
            services.source.put(ITEM, "9003", "900")
            announce_of(services, "900")
        return page

    services.source.read_page = read_late  # type: ignore[method-assign, assignment]
    services.sync(ITEM, SyncMode.FULL)
    assert "9003" not in services.live(ITEM)
    assert services.sync(ITEM, SyncMode.DELTA).requests == 1
    assert services.live(ITEM) == services.truth(ITEM)


def test_a_list_that_fails_after_an_event_stays_due(services: ServicesSync) -> None:
    begin_items(services, p900=-100)
    services.source.failing = {ITEM}
    services.source.put(ITEM, "9002", "900")
    assert announce(services, "900").events == 1
    services.source.failing = set()
    assert has_work(services, ITEM) == (True, 0)
    services.sync(ITEM, SyncMode.DELTA)
    assert services.live(ITEM) == services.truth(ITEM)


def test_killed_after_an_event_was_handled_its_list_is_still_due(services: ServicesSync) -> None:
    begin_items(services, p900=-100)
    services.source.put(ITEM, "9002", "900")

    def kill(step: str) -> None:
        if step == "committed":
            raise Killed

    services.on_step = kill
    with pytest.raises(Killed):
        announce(services, "900")
    services.on_step = None
    waiting = fetch(services.database, "SELECT count(*) FROM sync.webhook_events WHERE done_at IS NULL")
    assert (waiting, has_work(services, ITEM)) == ([(0,)], (True, 0))
    services.sync(ITEM, SyncMode.DELTA)
    assert services.live(ITEM) == services.truth(ITEM)


def test_a_changed_record_that_is_watched_makes_the_list_of_its_parent_due(services: ServicesSync) -> None:
    services.source.put(TIME, "1", "40", plan=("Plan", "400"))
    services.sync_all(TYPE, PLAN, TIME, PERSON)
    assert services.sync(PERSON, SyncMode.DELTA).requests == 0
    services.source.pass_by(minutes=10)
    services.source.put(TIME, "2", "41", plan=("Plan", "411"))
    services.source.put(PERSON, "4119", "411")
    services.sync(TIME, SyncMode.DELTA)
    assert has_work(services, PERSON) == (True, 0)
    services.sync(PERSON, SyncMode.DELTA)
    assert services.source.lists_read(PERSON) == ["411"]
    assert services.live(PERSON) == services.truth(PERSON)
    assert has_work(services, PERSON) == (False, 0)


def test_some_parents_are_asked_at_every_delta_and_a_quiet_one_starts_no_run(services: ServicesSync) -> None:
    services.source.put(REMINDER, "1", "402")
    services.sync_all(TYPE, PLAN, REMINDER)
    # Four plans are ahead; one of them changes below, and nothing of it shows.
    assert has_work(services, REMINDER) == (False, 4)
    services.source.put(REMINDER, "2", "401")
    assert has_work(services, REMINDER)[0]
    assert services.sync(REMINDER, SyncMode.DELTA).report["parents_read"] == 4
    assert services.live(REMINDER) == services.truth(REMINDER)
    del services.source.rows[REMINDER]["1"]
    assert has_work(services, REMINDER)[0]


def test_a_record_that_cannot_be_read_by_its_id_is_deleted_when_two_lists_lack_it(services: ServicesSync) -> None:
    services.source.put(REMINDER, "1", "402")
    services.sync_all(TYPE, PLAN, REMINDER)
    del services.source.rows[REMINDER]["1"]
    assert services.sync(REMINDER, SyncMode.DELTA).report["still_candidates"] == 1
    assert services.live(REMINDER) == {"1"}
    assert services.sync(REMINDER, SyncMode.DELTA).report["confirmed_by_second_listing"] == 1
    assert services.live(REMINDER) == set()


def summarize(services: ServicesSync, *plans: str) -> None:
    for plan in plans:
        services.source.put(PLAN, plan, is_summarized=True)
        services.source.put(SUMMARY, f"{plan}7", plan)
    services.sync_all(TYPE, PLAN)
    services.sync(SUMMARY)


def test_a_parent_with_at_most_one_record_has_it_or_none(services: ServicesSync) -> None:
    services.source.put(PLAN, "410", is_summarized=True)
    summarize(services, "400", "401")
    assert services.live(SUMMARY) == services.truth(SUMMARY) == {"4007", "4017"}
    assert services.source.lists_read(SUMMARY) == ["400", "401", "410"]
    del services.source.rows[SUMMARY]["4007"]
    result = services.sync(SUMMARY, SyncMode.RECONCILIATION)
    assert (result.report["confirmed_by_read"], result.counts.tombstoned) == (1, 1)
    assert services.live(SUMMARY) == {"4017"}


def test_records_that_all_answer_404_below_their_living_parents_are_kept(services: ServicesSync) -> None:
    plans = [f"5{n:02}" for n in range(12)]
    for plan in plans:
        services.source.put(PLAN, plan, "40", starts_at=days(1))
    summarize(services, *plans)
    set_org(services.database, services.org, deletion_count=10_000, deletion_share=1)
    before = services.live(SUMMARY)
    services.source.failing = {SUMMARY}
    with pytest.raises(SourceFailed):
        services.sync(SUMMARY, SyncMode.RECONCILIATION)
    assert services.live(SUMMARY) == before


def fill(services: ServicesSync, entity: EntityName, parent: str, count: int) -> None:
    for n in range(count):
        services.source.pass_by(minutes=1)
        services.source.put(entity, f"{parent}{n:03}", parent)


@pytest.mark.parametrize("entity", [PLAN, TIME], ids=["filter", "ordered"])
def test_a_delta_reads_only_what_changed_below_each_parent(services: ServicesSync, entity: EntityName) -> None:
    services.source.pass_by(days=-10)
    fill(services, entity, "40", 350)
    services.source.pass_by(days=10)
    services.sync_all(TYPE, entity)
    assert services.live(entity) == services.truth(entity)
    assert has_work(services, entity) == (False, 2)
    services.source.pass_by(minutes=20)
    services.source.put(entity, "40007", name="Changed")
    services.source.put(entity, "41999", "41")
    assert has_work(services, entity)[0]
    result = services.sync(entity, SyncMode.DELTA)
    # One page a parent.
    assert (result.counts.updated, result.counts.created, result.requests) == (1, 1, 2)
    assert result.counts.unchanged < 10
    assert services.live(entity) == services.truth(entity)
    # What the deltas did not see is found by the comparison, which reads the whole lists.
    del services.source.rows[entity]["40011"]
    assert services.sync(entity, SyncMode.DELTA).counts.tombstoned == 0
    assert services.sync(entity, SyncMode.RECONCILIATION).counts.tombstoned == 1
    assert services.live(entity) == services.truth(entity)


def test_a_record_that_an_event_brought_hides_no_change_before_it(services: ServicesSync) -> None:
    services.sync_all(TYPE, PLAN)
    services.source.pass_by(hours=1)
    services.source.put(PLAN, "401", name="Changed, and not announced")
    services.source.pass_by(hours=1)
    services.source.put(PLAN, "402", name="Announced")
    assert announce(services, "402").counts[PLAN].updated == 1
    assert services.sync(PLAN, SyncMode.DELTA).counts.updated == 1


def test_a_version_in_the_future_hides_no_change(services: ServicesSync) -> None:
    services.source.put(PLAN, "400")
    services.source.rows[PLAN]["400"].attributes["updated_at"] = "2099-01-01T00:00:00Z"
    services.sync_all(TYPE, PLAN)
    services.source.pass_by(hours=1)
    services.source.put(PLAN, "401", name="Changed")
    assert services.sync(PLAN, SyncMode.DELTA).counts.updated == 1


def test_a_source_that_ignores_the_filter_is_read_whole(services: ServicesSync) -> None:
    services.sync_all(TYPE, PLAN)
    services.source.pass_by(hours=1)
    services.source.put(PLAN, "401", name="Changed")
    services.source.ignores_filters = True
    result = services.sync(PLAN, SyncMode.DELTA)
    assert (result.counts.updated, result.report["missing"]) == (1, 0)
