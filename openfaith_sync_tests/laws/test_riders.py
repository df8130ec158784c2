"""Riders come with others' pages, cost nothing where these name what is stored, and end only with evidence."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import UNIDENTIFIED, EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.planning.pass_forecast import predict_passes
from openfaith_sync.domain.planning.ranges import Range
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.engine.passes.probe import probe_entity
from openfaith_sync.store.admin.plan_facts import load_stored_facts
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.riding_church import (
    APPEAL,
    FUND,
    GIFT,
    KIND,
    ORDER,
    PART,
    REFUND,
    REFUND_PART,
    RIDERS,
    RidingChurch,
    make_church,
    riding_manifest,
)
from openfaith_sync_tests.store.making import PCO, fetch

_names = itertools.count()


@pytest.fixture(scope="module")
def manifest(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    found = riding_manifest(tmp_path_factory.mktemp("gifts"))
    ensure_tables(module_database, found)
    return found


@pytest.fixture
def church(module_database: Database, manifest: Manifest) -> RidingChurch:
    """An org that nobody had before."""
    return make_church(module_database, manifest, OrgId(f"church-{next(_names)}"))


def is_true(church: RidingChurch) -> bool:
    return all(church.live(entity) == church.truth(entity) for entity in ORDER)


def lists_kept(church: RidingChurch) -> int:
    query = "SELECT count(*) FROM sync.parent_listings WHERE org_id = %s"
    return int(fetch(church.database, query, church.org)[0][0])


def test_a_first_sync_stores_riders_of_both_levels_with_their_pages(church: RidingChurch) -> None:
    church.sync(FUND)
    church.sync(GIFT)
    assert is_true(church)
    assert len(church.live(REFUND_PART)) > 3
    church.source.asked.clear()
    for rider in RIDERS:
        result = church.sync(rider)
        assert (result.mode, result.requests, result.counts.created) == (SyncMode.FULL, 0, len(church.truth(rider)))
        assert result.source_count == len(church.truth(rider))
    assert church.source.asked == []
    assert lists_kept(church) == 0


@pytest.fixture
def synced(church: RidingChurch) -> RidingChurch:
    church.sync_all()
    church.source.asked.clear()
    return church


@pytest.mark.parametrize("mode", list(SyncMode)[:4])
def test_what_nothing_lists_is_stored_as_it_comes_and_never_asked_for(synced: RidingChurch, mode: SyncMode) -> None:
    assert synced.sync(KIND, mode).requests == 0
    assert synced.source.asked == []
    assert is_true(synced)


@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.RECONCILIATION, SyncMode.DELTA])
def test_parents_that_name_what_is_stored_cost_no_request_in_any_mode(synced: RidingChurch, mode: SyncMode) -> None:
    for rider in RIDERS:
        result = synced.sync(rider, mode)
        spared = len(synced.truth({PART: GIFT, REFUND: GIFT, REFUND_PART: REFUND, APPEAL: FUND}[rider]))
        assert (result.requests, result.report["parents_spared"]) == (0, spared)
    assert synced.source.asked == []
    assert lists_kept(synced) == 0
    assert is_true(synced)


def test_riders_come_with_the_parents_that_a_delta_reads(synced: RidingChurch) -> None:
    synced.change("7", parts={"701": 10, "702": 20, "703": 70}, refund="97", refund_parts={"7701": -10})
    synced.sync_all()
    assert is_true(synced)
    assert [one for one in synced.source.asked if not one.startswith(("gift:", "fund:"))] == []


def test_what_a_parent_names_no_more_ends_by_its_list_and_a_read_of_its_own(synced: RidingChurch) -> None:
    synced.change("7", parts={"701": 100})
    synced.sync(GIFT)
    result = synced.sync(PART)
    assert (result.counts.tombstoned, result.report["confirmed_by_read"]) == (1, 1)
    assert [one for one in synced.source.asked if "part" in one] == ["part:7", "part/702"]
    assert is_true(synced)


def test_what_has_no_address_ends_by_a_second_complete_list(synced: RidingChurch) -> None:
    synced.change("10", refund_parts={"71001": -60})
    synced.sync(GIFT)
    assert synced.sync(REFUND_PART).report["still_candidates"] == 1
    assert synced.live(REFUND_PART) > synced.truth(REFUND_PART)
    # A delta has read this list already.
    synced.source.asked.clear()
    assert (synced.sync(REFUND_PART, SyncMode.DELTA).counts.tombstoned, synced.source.asked) == (0, [])
    result = synced.sync(REFUND_PART, SyncMode.RECONCILIATION)
    assert (result.counts.tombstoned, result.report["confirmed_by_second_listing"]) == (1, 1)
    assert is_true(synced)


def test_a_deleted_parent_takes_its_riders_with_it(synced: RidingChurch) -> None:
    synced.source.gifts.pop("10")
    synced.sync(GIFT, SyncMode.RECONCILIATION)
    for rider in (PART, REFUND, REFUND_PART):
        synced.sync(rider, SyncMode.RECONCILIATION)
    assert is_true(synced)
    assert synced.live(APPEAL) == {"801", "802"}


def test_what_lags_behind_its_parent_is_read_with_the_parents_list(church: RidingChurch) -> None:
    church.source.lags = {"701"}
    church.sync_all()
    assert is_true(church)
    assert [one for one in church.source.asked if one.startswith("part")] == ["part:7"]
    church.source.asked.clear()
    church.sync(PART, SyncMode.RECONCILIATION)
    assert church.source.asked == []


def test_pages_without_their_riders_are_made_up_for_by_lists(church: RidingChurch) -> None:
    # Some of the pages.
    numbers = itertools.count()
    church.source.is_included = lambda _: next(numbers) % 2 == 0
    church.sync_all()
    assert is_true(church)
    lists = [one for one in church.source.asked if one.startswith("part:")]
    assert 0 < len(lists) < len(church.source.gifts)
    church.source.is_included = lambda _: True
    church.source.asked.clear()
    for rider in RIDERS:
        church.sync(rider, SyncMode.DELTA)
    assert church.source.asked == []


def test_a_row_that_is_only_served_without_its_riders_costs_its_own_lists_alone(church: RidingChurch) -> None:
    church.source.heavy = {"7", "8"}
    church.sync_all()
    assert is_true(church)
    assert sorted(one for one in church.source.asked if one.startswith("part:")) == ["part:7", "part:8"]


@pytest.mark.parametrize("mode", [SyncMode.DELTA, SyncMode.RECONCILIATION])
def test_what_no_page_includes_any_more_is_not_deleted(synced: RidingChurch, mode: SyncMode) -> None:
    synced.source.is_included = lambda _: False
    for gift in synced.source.gifts:
        synced.change(gift, cents=200)
    synced.sync(GIFT)
    for rider in (*RIDERS, *RIDERS):
        assert synced.sync(rider, mode).counts.tombstoned == 0
    assert is_true(synced)


def test_lists_that_cannot_be_read_prove_nothing_and_are_told(synced: RidingChurch) -> None:
    synced.change("7", parts={"701": 100, "799": 1})
    synced.source.lags = {"799"}
    synced.sync(GIFT)
    synced.source.refused = True
    for mode in (SyncMode.DELTA, SyncMode.RECONCILIATION):
        result = synced.sync(PART, mode)
        assert (result.counts.tombstoned, result.report["parents_refused"]) == (0, 1)
        assert result.report["named_not_stored"] == 1
        assert result.source_count == result.stored_count + 1
    synced.source.refused = False
    synced.sync(PART)
    assert is_true(synced)


def test_a_shared_rider_lives_as_long_as_a_living_record_names_it(synced: RidingChurch) -> None:
    for one, gift in synced.source.gifts.items():
        if gift.appeal == "801":
            synced.change(one, appeal=None)
    # A gift to another fund is left.
    synced.change("2", appeal="801")
    synced.sync(GIFT)
    synced.source.asked.clear()
    assert synced.sync(APPEAL, SyncMode.RECONCILIATION).report["missing"] == 0
    assert synced.source.asked == []
    synced.change("2", appeal=None)
    synced.sync(GIFT)
    # The source still has it: the list of its fund says so.
    assert synced.sync(APPEAL, SyncMode.RECONCILIATION).report["missing"] == 0
    assert synced.live(APPEAL) == {"801", "802"}
    del synced.source.appeals["801"]
    assert synced.sync(APPEAL, SyncMode.RECONCILIATION).counts.tombstoned == 1
    assert synced.live(APPEAL) == {"802"}


def test_one_damaged_rider_is_one_dead_letter_and_costs_no_request(church: RidingChurch) -> None:
    church.source.gifts["7"].parts["702"] = "damaged"
    church.sync_all()
    assert church.live(PART) == church.truth(PART) - {"702"}
    letters = "SELECT entity, external_id FROM sync.dead_letters WHERE org_id = %s"
    assert fetch(church.database, letters, church.org) == [("part", "702")]
    assert [one for one in church.source.asked if one.startswith("part")] == []
    result = church.sync(PART, SyncMode.RECONCILIATION)
    assert (result.requests, result.source_count) == (0, len(church.truth(PART)))


@pytest.mark.parametrize("mode", [SyncMode.AUTO, SyncMode.FULL, SyncMode.RECONCILIATION])
def test_a_rider_without_an_id_stays_a_dead_letter_until_it_comes_well(church: RidingChurch, mode: SyncMode) -> None:
    church.source.gifts["7"].parts[f"{UNIDENTIFIED}1"] = "damaged"
    church.sync(GIFT)
    for _ in range(2):
        church.sync(PART, mode)
    letters = "SELECT external_id FROM sync.dead_letters WHERE org_id = %s AND resolved_at IS NULL"
    assert fetch(church.database, letters, church.org) == [(f"{UNIDENTIFIED}1",)]


def test_so_many_riders_that_vanish_at_once_wait_for_a_person(synced: RidingChurch) -> None:
    before = synced.live(PART)
    for one, gift in list(synced.source.gifts.items()):
        synced.change(one, parts=dict(list(gift.parts.items())[1:]))
    synced.sync(GIFT)
    with pytest.raises(SafetyStop):
        synced.sync(PART)
    assert synced.live(PART) == before


def test_a_rider_that_is_mapped_otherwise_is_read_with_all_of_its_carriers_records(
    synced: RidingChurch,
) -> None:
    part = synced.manifest.entities[PART]
    renamed = part.model_copy(update={"description": "Another description."})
    synced.manifest = synced.manifest.model_copy(update={"entities": {**synced.manifest.entities, PART: renamed}})
    assert synced.sync(PART).mode is SyncMode.DELTA
    assert synced.sync(GIFT).mode is SyncMode.FULL
    assert synced.sync(PART).mode is SyncMode.FULL
    assert {one.partition(":")[0] for one in synced.source.asked} == {"gift"}
    assert (synced.sync(GIFT).mode, synced.sync(PART).mode) == (SyncMode.DELTA, SyncMode.DELTA)


def test_riders_are_compared_again_when_records_came_with_them_and_not_before(synced: RidingChurch) -> None:
    def works() -> set[str]:
        with open_store(synced.database, synced.org) as store:
            return {entity for entity in ORDER if probe_entity(synced.session(store), entity).has_work}

    assert works() == set()
    assert synced.source.asked == ["fund:", "gift:"]
    synced.change("7", cents=200)
    assert works() == {GIFT}
    synced.sync(GIFT)
    assert works() == {KIND, *RIDERS}
    for rider in (KIND, *RIDERS):
        synced.sync(rider)
    assert works() == set()


class Killed(Exception):
    """What ends a sync here as a kill would: nothing that is not committed stays."""


def killed_after(steps: int) -> Callable[[str], None]:
    left = itertools.count(steps, -1)

    def step(_: str) -> None:
        if next(left) == 0:
            raise Killed

    return step


def kept(church: RidingChurch) -> dict[str, list[tuple[Any, ...]]]:
    """Return what is stored of the church, and what is still open; not the ids, which are of its org."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for entity in ORDER:
        table = church.manifest.entities[entity].record_table.quoted
        found[entity] = fetch(
            church.database,
            "SELECT external_id, deleted_at IS NOT NULL, custom_fields, to_jsonb(t) ->> 'amount_cents'"
            f" FROM {table} t WHERE org_id = %s ORDER BY external_id",
            church.org,
        )
    questions = {
        "candidates": "SELECT entity, external_id FROM sync.deletion_candidates WHERE org_id = %s",
        "passes": "SELECT entity FROM sync.passes WHERE org_id = %s AND status = 'open'",
        "lists": "SELECT entity, parent_id, listed FROM sync.parent_listings WHERE org_id = %s ORDER BY 1, 2",
        "tombstoned": "SELECT entity, sum(tombstoned) FROM sync.passes WHERE org_id = %s GROUP BY 1 ORDER BY 1",
    }
    return found | {name: fetch(church.database, question, church.org) for name, question in questions.items()}


def live_through_changes(church: RidingChurch, killing: Iterator[int] | None = None) -> int:
    """Sync a church, change it and sync it again, killed and started anew until all is done; return the kills."""
    kills = 0
    for modes in ((SyncMode.AUTO,), (SyncMode.AUTO, SyncMode.RECONCILIATION, SyncMode.RECONCILIATION)):
        if len(modes) > 1:
            church.change("7", parts={"701": 100})
            church.change("10", refund_parts={"71001": -60}, appeal=None)
            church.change("11", parts={**church.source.gifts["11"].parts, "1177": 5}, refund="911")
            church.source.gifts.pop("20")
        for entity, mode in ((entity, mode) for mode in modes for entity in ORDER):
            while True:
                try:
                    church.sync(entity, mode, killed_after(next(killing)) if killing else None)
                except Killed:
                    kills += 1
                else:
                    break
    return kills


def test_killed_at_any_step_the_rows_are_those_of_an_uninterrupted_sync(
    module_database: Database, manifest: Manifest
) -> None:
    churches = [make_church(module_database, manifest, OrgId(f"killed-{n}"), gifts=20) for n in range(2)]
    live_through_changes(churches[0])
    assert is_true(churches[0])
    dice = random.Random(7)
    # A sync that is killed at each of its steps makes no way; one that lives a little longer each time does.
    kills = live_through_changes(churches[1], (dice.randrange(4, 40 + n) for n in itertools.count()))
    assert kills > 10
    assert is_true(churches[1])
    assert kept(churches[1]) == kept(churches[0])
    assert len(churches[1].source.asked) - len(churches[0].source.asked) <= 2 * kills


def hear(church: RidingChurch, entity: EntityName, one: str, action: EventAction, parent: str | None = None) -> None:
    """Receive an event, and process the inbox."""
    church.source.asked.clear()
    below = ExternalId(parent) if parent else None
    event = InboxEvent(f"event-{next(_names)}", f"{entity}.{action}", entity, ExternalId(one), action, below)
    receive(church.database, church.org, PCO, [event])
    church.drain()


def test_an_event_for_a_record_brings_its_riders_and_reads_the_lists_that_lost_some(synced: RidingChurch) -> None:
    synced.change("7", parts={"701": 60, "703": 40}, refund="97", refund_parts={"7701": -10})
    hear(synced, GIFT, "7", EventAction.UPDATED)
    assert is_true(synced)
    assert synced.source.asked == ["gift/7", "part:7", "part/702"]


def test_an_event_for_a_rider_without_a_path_reads_what_it_comes_with(synced: RidingChurch) -> None:
    synced.change("7", refund="97", refund_parts={"7701": -10})
    hear(synced, REFUND, "97", EventAction.CREATED, "7")
    assert synced.source.asked == ["gift/7"]
    assert is_true(synced)
    # The parent names it no more, and its list decides: a second complete one, later.
    synced.change("7", refund=None, refund_parts={})
    hear(synced, REFUND, "97", EventAction.DESTROYED)
    assert synced.source.asked == ["gift/7", "refund:7"]
    assert "97" in synced.live(REFUND)
    for rider in (REFUND, REFUND_PART, REFUND_PART):
        synced.sync(rider, SyncMode.RECONCILIATION)
    assert is_true(synced)


def predicted(church: RidingChurch, entity: EntityName) -> tuple[Range | None, str | None]:
    facts = load_stored_facts(church.database, church.manifest, church.org, church.manifest.entities)
    run = predict_passes(church.manifest, facts, SyncMode.AUTO, ORDER)
    return next((one.requests, one.note) for one in run if one.entity == entity)


def test_a_plan_says_what_riders_come_with_and_which_lists_are_read(synced: RidingChurch) -> None:
    assert predicted(synced, PART) == (Range(), "comes with gift")
    synced.change("7", parts={"701": 100})
    synced.sync(GIFT)
    assert predicted(synced, PART) == (Range(1, 1), "comes with gift")
