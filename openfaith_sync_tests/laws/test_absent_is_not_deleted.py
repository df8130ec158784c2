"""Law 4: absent is not deleted. Only a complete listing and a read by id together say that a record is gone."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from openfaith_sync.domain.errors import AccessDenied, ListingIncomplete, SafetyStop, TransientError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.deletions import HoldStatus
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.deletions import deletion_confirmation as settling
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.deletions.hold_decisions import approve_hold, list_holds, load_held_records, reject_hold
from openfaith_sync_tests.laws.synced_church import (
    CAMPUS,
    EMAIL,
    GRACE,
    GROUP,
    PEOPLE,
    PERSON,
    PHONE,
    CuttingShort,
    Hiding,
    Synced,
)
from openfaith_sync_tests.store.making import fetch, run


def test_a_twentieth_gone_is_exactly_those_tombstoned(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    gone = church.delete(PERSON, PEOPLE // 20)
    result = church.sync(PERSON)
    assert church.live(PERSON) == church.truth(PERSON)
    assert result.counts.tombstoned == len(gone)
    assert result.report["confirmed_by_read"] == result.report["missing"] == len(gone)
    assert result.report["listed"] == PEOPLE - len(gone)
    assert (result.report["still_candidates"], result.report["held"], church.candidates()) == (0, None, 0)
    assert fetch(church.database, "SELECT count(*) FROM sync.listed_ids") == [(0,)]
    assert fetch(church.database, "SELECT count(*) FROM openfaith.people") == [(PEOPLE,)]


def test_a_third_gone_waits_for_a_person_while_additions_apply(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    before = church.live(PERSON)
    gone = church.delete(PERSON, PEOPLE * 3 // 10)
    newcomer = church.simulator.create("person", {"first_name": "New", "last_name": "Comer"})
    with pytest.raises(SafetyStop, match=r"72 of 241 records of person .* openfaith-sync holds show \d+"):
        church.sync(PERSON)
    assert church.live(PERSON) == before | {newcomer}
    (hold,) = list_holds(church.database)
    assert (hold.status, hold.missing, hold.live) == (HoldStatus.OPEN, len(gone), PEOPLE + 1)
    waiting = load_held_records(church.database, hold, None, with_names=False)
    assert {record.external_id for record in waiting} == set(gone)
    (report,) = fetch(church.database, "SELECT report FROM sync.passes WHERE mode = 'reconciliation'")[0]
    assert (report["held"], report["still_candidates"]) == (hold.hold_id, len(gone))

    approve_hold(church.database, hold.hold_id)
    result = church.sync(PERSON)
    assert (result.counts.tombstoned, result.report["held"]) == (len(gone), None)
    assert church.live(PERSON) == church.truth(PERSON)
    assert [hold.status for hold in list_holds(church.database, is_all=True)] == [HoldStatus.SETTLED]


def test_everything_gone_waits_for_a_person_too(synced: Callable[..., Synced]) -> None:
    church = synced(EMAIL)
    before = church.live(EMAIL)
    for identity in before:
        church.simulator.delete("email", identity)
    with pytest.raises(SafetyStop):
        church.sync(EMAIL)
    assert church.live(EMAIL) == before
    (hold,) = list_holds(church.database)
    approve_hold(church.database, hold.hold_id)
    church.sync(EMAIL)
    assert church.live(EMAIL) == set()


def test_an_approval_is_a_ceiling(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    church.delete(PERSON, 60)
    with pytest.raises(SafetyStop):
        church.sync(PERSON)
    (first,) = list_holds(church.database)
    assert approve_hold(church.database, first.hold_id)[0].approved_up_to == 60
    church.delete(PERSON, 1)
    with pytest.raises(SafetyStop, match=r"61 of 240 .* \(60 were approved\)"):
        church.sync(PERSON)
    assert len(church.live(PERSON)) == PEOPLE
    second = list_holds(church.database)
    assert [(hold.missing, hold.status) for hold in second] == [(61, HoldStatus.OPEN)]
    approve_hold(church.database, second[0].hold_id)
    church.sync(PERSON)
    assert church.live(PERSON) == church.truth(PERSON)


def test_what_an_approval_let_go_is_used_up(synced: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "READS_A_PASS", 50)
    church = synced(PERSON)
    church.delete(PERSON, 120)
    with pytest.raises(SafetyStop):
        church.sync(PERSON)
    approve_hold(church.database, list_holds(church.database)[0].hold_id)
    for tombstoned, left in ((50, 70), (50, 20), (20, 0)):
        result = church.sync(PERSON)
        assert (result.counts.tombstoned, result.report["still_candidates"]) == (tombstoned, left)
    church.delete(PERSON, 40)
    with pytest.raises(SafetyStop):
        church.sync(PERSON)


def test_a_rejected_hold_keeps_the_rows_and_the_next_reconciliation_stops_again(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    church.delete(PERSON, 60)
    for _ in range(2):
        with pytest.raises(SafetyStop):
            church.sync(PERSON)
        reject_hold(church.database, list_holds(church.database)[0].hold_id)
        assert list_holds(church.database) == []
    assert len(church.live(PERSON)) == PEOPLE


def test_the_limits_are_those_set_for_the_org(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    set_org(church.database, GRACE, deletion_count=3, deletion_share=0.02)
    church.delete(PERSON, 5)
    with pytest.raises(SafetyStop, match="more than 3 and more than 2%"):
        church.sync(PERSON)


def hiding(church: Synced, count: int, entity: EntityName = PERSON, **how: Any) -> set[str]:
    hidden = set(sorted(church.truth(entity), key=int)[: 2 * count : 2])
    church.between = lambda source: Hiding(source, hidden, **how)
    return hidden


@pytest.mark.parametrize("reads", [3, 500], ids=["budget too small for all", "budget for all"])
def test_a_narrowed_permission_deletes_nothing_however_often_it_is_listed(
    synced: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    monkeypatch.setattr(settling, "READS_A_PASS", reads)
    monkeypatch.setattr(settling, "READS_AT_ONCE", 3)
    church = synced(PERSON)
    hiding(church, 12)
    for _ in range(3):
        result = church.sync(PERSON)
        assert result.report["still_candidates"] == 12
        assert "refused to show" in str(result.report["why"])
        assert "confirmed_by_second_listing" not in result.report
    assert len(church.live(PERSON)) == PEOPLE


@pytest.mark.parametrize("after", range(1, 6))
def test_a_permission_narrowed_while_the_list_is_walked_deletes_nothing(
    synced: Callable[..., Synced], after: int
) -> None:
    church = synced(PERSON)
    hiding(church, 80, after=after)
    with suppress(SafetyStop, TransientError):
        church.sync(PERSON)
    assert len(church.live(PERSON)) == PEOPLE
    # Where the walk was past the hidden ones already, they were listed, and the next one stops.
    hiding(church, 80)
    with pytest.raises(SafetyStop):
        church.sync(PERSON)
    assert len(church.live(PERSON)) == PEOPLE


def test_a_hold_whose_records_came_back_is_settled_by_itself(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    hiding(church, 80)
    with pytest.raises(SafetyStop):
        church.sync(PERSON)
    church.between = lambda source: source
    assert church.sync(PERSON).report["missing"] == 0
    assert [hold.status for hold in list_holds(church.database, is_all=True)] == [HoldStatus.SETTLED]
    assert church.candidates() == 0


def test_a_record_that_is_not_listed_but_can_be_read_is_stored_and_no_candidate(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    hidden = hiding(church, 4, answers="alive")
    church.simulator.change("person", min(hidden), {"last_name": "Still-Here"})
    result = church.sync(PERSON)
    assert (result.report["alive_after_all"], result.report["still_candidates"]) == (4, 0)
    assert len(church.live(PERSON)) == PEOPLE
    assert fetch(church.database, "SELECT count(*) FROM openfaith.people WHERE last_name = 'Still-Here'") == [(1,)]


@pytest.mark.parametrize("entity", [PERSON, PHONE], ids=["records are read", "ids only"])
def test_a_record_that_reappears_is_undeleted(synced: Callable[..., Synced], entity: EntityName) -> None:
    church = synced(entity)
    before = church.live(entity)
    hidden = hiding(church, 5, entity, answers="gone")
    assert church.sync(entity).counts.tombstoned == 5
    assert church.live(entity) == before - hidden
    church.between = lambda source: source
    assert church.sync(entity).report["undeleted"] == 5
    assert church.live(entity) == before


def test_an_empty_answer_that_says_there_is_nothing_deletes_nothing(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON, CAMPUS)
    campuses = church.live(CAMPUS)
    for entity in (PERSON, CAMPUS):
        hiding(church, PEOPLE, entity, answers="alive")
        church.between = partial(Hiding, hidden=church.truth(entity), answers="alive")
        if entity == PERSON:
            with pytest.raises(SafetyStop):
                church.sync(entity)
        else:
            # Too few for a safety stop: each is read by its id.
            assert church.sync(entity).report["alive_after_all"] == len(campuses)
    assert church.live(PERSON) == church.truth(PERSON)
    assert church.live(CAMPUS) == campuses


def test_an_entity_that_may_not_be_read_fails_and_keeps_everything(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    church.simulator.fault(Fault(kind="status", status=403, path="/people/v2/people"))
    with pytest.raises(AccessDenied):
        church.sync(PERSON)
    assert len(church.live(PERSON)) == PEOPLE
    church.simulator.clear_faults()
    church.delete(PERSON, 3)
    # The listing is refused once it has begun, or the readings by id are.
    church.simulator.fault(Fault(kind="status", status=403, path="/people/v2/people", every=3))
    for _ in range(8):
        with suppress(AccessDenied):
            church.sync(PERSON)
    church.simulator.clear_faults()
    church.sync(PERSON)
    assert church.live(PERSON) == church.truth(PERSON)


@pytest.mark.parametrize("end", [0, 1, 99, 100, 150, 236])
def test_a_listing_cut_short_is_not_believed_and_begins_again(synced: Callable[..., Synced], end: int) -> None:
    church = synced(PERSON)
    church.between = lambda source: CuttingShort(source, end)
    with pytest.raises(ListingIncomplete, match=f"{240 - end} of the 240 records that the source counts"):
        church.sync(PERSON)
    assert (len(church.live(PERSON)), church.candidates()) == (PEOPLE, 0)
    church.between = lambda source: source
    result = church.sync(PERSON)
    assert (result.report["listed"], result.report["missing"], result.resumed) == (PEOPLE, 0, False)


@pytest.mark.parametrize("end", [237, 239])
def test_a_listing_that_lacks_a_few_that_are_counted_deletes_nothing_and_says_so(
    synced: Callable[..., Synced], end: int
) -> None:
    church = synced(PERSON)
    church.between = lambda source: CuttingShort(source, end)
    result = church.sync(PERSON)
    assert result.report["counted_but_not_listed"] == PEOPLE - end
    assert church.live(PERSON) == church.truth(PERSON)


@pytest.mark.parametrize("kind", ["short_page", "empty_page", "repeat_page", "stuck_next", "truncated_json"])
@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("entity", [PERSON, GROUP], ids=["counted", "not counted"])
def test_a_damaged_page_never_makes_a_listing_complete(
    synced: Callable[..., Synced], kind: str, at: int, entity: EntityName
) -> None:
    church = synced(entity)
    before = church.live(entity)
    church.simulator.fault(Fault(kind=kind, at=at, times=1))
    try:
        church.sync(entity)
    except TransientError:
        church.simulator.clear_faults()
        church.sync(entity)
    assert church.live(entity) == before == church.truth(entity)
    assert church.candidates() == 0


def test_what_the_budget_leaves_unread_waits_until_it_was_read_too(
    synced: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "READS_A_PASS", 5)
    church = synced(PERSON)
    church.delete(PERSON, 12)
    for left in (7, 2):
        result = church.sync(PERSON)
        assert (result.report["confirmed_by_read"], result.report["still_candidates"]) == (5, left)
        assert f"{left} wait to be read" in str(result.report["why"])
    assert church.sync(PERSON).report["confirmed_by_read"] == 2
    assert church.live(PERSON) == church.truth(PERSON)


def test_two_listings_of_which_a_row_names_no_id_prove_nothing(
    synced: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "READS_A_PASS", 0)
    church = synced(PERSON)
    church.simulator.fault(Fault(kind="damaged_record", record=f"Person/{min(church.truth(PERSON))}", damage="no_id"))
    for _ in range(3):
        assert church.sync(PERSON).report["still_candidates"] == 1
    assert len(church.live(PERSON)) == PEOPLE
    monkeypatch.setattr(settling, "READS_A_PASS", 5)
    church.simulator.clear_faults()
    assert church.sync(PERSON).report["still_candidates"] == 0
    assert church.live(PERSON) == church.truth(PERSON)


def test_a_listing_in_between_that_has_it_begins_the_count_anew(
    synced: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "READS_A_PASS", 0)
    church = synced(PERSON)
    for _ in range(3):
        hiding(church, 10, answers="gone")
        assert church.sync(PERSON).report["still_candidates"] == 10
        church.between = lambda source: source
        assert church.sync(PERSON).report["still_candidates"] == 0
    assert len(church.live(PERSON)) == PEOPLE


def test_records_that_are_missing_here_are_fetched_by_id(synced: Callable[..., Synced]) -> None:
    church = synced(PHONE)
    owner = min(church.truth(PERSON))
    new = church.simulator.create("phone_number", {"number": "555 0100"}, {"person": owner})
    church.simulator.clear_requests()
    result = church.sync(PHONE)
    assert (result.report["fetched"], result.counts.created) == (1, 1)
    assert church.live(PHONE) == church.truth(PHONE) >= {new}
    listings = [one for one in church.simulator.requests() if one["path"] == "/people/v2/phone_numbers"]
    assert {one["query"].get("fields[PhoneNumber]") for one in listings} == {"updated_at"}


def test_a_change_without_a_new_version_is_stored_and_counted(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    seen, unseen = sorted(church.truth(PERSON), key=int)[:2]
    church.simulator.change("person", seen, {"last_name": "Seen"})
    church.simulator.change("person", unseen, {"medical_notes": "bees"}, touch=False)
    result = church.sync(PERSON)
    assert (result.counts.updated, result.report["changed_unseen"]) == (2, 1)


def test_a_reconciliation_moves_no_watermark_and_claims_no_mapping(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    checkpoint = "SELECT watermark, manifest_version FROM sync.checkpoints WHERE entity = 'person'"
    before = fetch(church.database, checkpoint)
    church.simulator.change("person", min(church.truth(PERSON)), {"last_name": "Later"})
    church.sync(PERSON)
    assert fetch(church.database, checkpoint) == before
    run(church.database, "UPDATE sync.checkpoints SET manifest_version = 'older'")
    church.sync(PERSON)
    assert fetch(church.database, checkpoint) == [(before[0][0], None)]


def test_a_dead_letter_of_a_record_that_is_gone_waits_no_more(synced: Callable[..., Synced]) -> None:
    church = synced(CAMPUS)
    bad = church.simulator.create("email", {"address": "x@example.org"}, {"person": min(church.truth(PERSON))})
    church.simulator.fault(Fault(kind="damaged_record", record=f"Email/{bad}", damage="attributes_list"))
    church.sync(EMAIL, SyncMode.FULL)
    assert bad not in church.live(EMAIL)
    waiting = "SELECT count(*) FROM sync.dead_letters WHERE resolved_at IS NULL"
    assert fetch(church.database, waiting) == [(1,)]
    church.sync(EMAIL)
    assert fetch(church.database, waiting) == [(1,)]
    church.simulator.delete("email", bad)
    church.sync(EMAIL)
    assert fetch(church.database, waiting) == [(0,)]
    assert church.live(EMAIL) == church.truth(EMAIL)


def test_a_listing_of_which_something_was_lost_is_not_compared(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    hiding(church, 30)
    with pytest.raises(SafetyStop):
        church.sync(PERSON)
    # As if the pass had been killed before its end, and what it listed had been lost.
    run(church.database, "UPDATE sync.passes SET status = 'open' WHERE mode = 'reconciliation'")
    church.between = lambda source: source
    with pytest.raises(TransientError, match="only 0 of 210 ids listed of grace/pco/person are still stored"):
        church.sync(PERSON)
    assert church.sync(PERSON).report["missing"] == 0
    assert len(church.live(PERSON)) == PEOPLE


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happened_a_reconciliation_of_all_entities_ends_in_the_truth(
    synced: Callable[..., Synced], seed: int
) -> None:
    church = synced()
    order = church.manifest.graph.entities
    for entity in order:
        church.sync(entity, SyncMode.FULL)
    for turn in range(2):
        church.simulator.random(80, seed=10 * seed + turn)
        for entity in order:
            church.sync(entity)
        church.let_a_day_pass()
    for entity in order:
        assert church.live(entity) == church.truth(entity), entity
    assert church.candidates() == 0
