"""Law 4: every candidate is read before it is deleted, and losses add up over more than one night."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.deletions import WINDOWS, DeletionCheck, DeletionLimits, HoldStatus
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.engine.deletions import deletion_confirmation as settling
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.deletions.hold_decisions import approve_hold, list_holds, load_held_records
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync_tests.laws.altered_source import AlteredSource, with_records
from openfaith_sync_tests.laws.synced_church import GRACE, GROUP, PEOPLE, PERSON, Hiding, Synced
from openfaith_sync_tests.laws.test_what_is_evidence_of_absence import drain_over_http
from openfaith_sync_tests.store.making import fetch, run

HOUSEHOLD, FAMILY = EntityName("household"), EntityName("household_membership")
MEMBER = EntityName("group_membership")
LIMITS = DeletionLimits(10, 0.1)


def ids(church: Synced, entity: EntityName = PERSON) -> list[str]:
    return sorted(church.truth(entity), key=int)


def allow(church: Synced, count: int) -> None:
    set_org(church.database, GRACE, deletion_count=count)


def test_living_people_whom_the_listings_lack_stay_however_many_others_are_gone(
    synced: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "READS_A_PASS", 10)
    church = synced(PERSON)
    allow(church, 100)
    everyone = ids(church)
    # The hidden ones lie before, between and after those who are gone.
    hidden = {*everyone[:4], *everyone[40:44], *everyone[-4:]}
    gone = [one for one in everyone[2:46] if one not in hidden]
    for one in gone:
        church.simulator.delete(PERSON, one)
    church.between = lambda source: Hiding(source, hidden, answers="alive")
    for _ in range(7):
        result = church.sync(PERSON)
        assert "confirmed_by_second_listing" not in result.report
        assert church.live(PERSON) >= church.truth(PERSON)
    # Every candidate had its turn: those that are gone went, behind others that are read again and again.
    assert church.live(PERSON) == church.truth(PERSON)
    assert len(church.live(PERSON)) == PEOPLE - len(gone)


def test_candidates_that_nobody_read_wait_and_those_that_the_source_will_not_speak_of_too(
    synced: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "READS_A_PASS", 5)
    church = synced(PERSON)
    hidden = set(ids(church)[:20])
    church.between = lambda source: Hiding(source, hidden, answers="denied")
    for _ in range(6):
        assert church.sync(PERSON).report["still_candidates"] == 20
    assert len(church.live(PERSON)) == PEOPLE
    answers = fetch(church.database, "SELECT answer, count(*), count(read_at) FROM sync.deletion_candidates GROUP BY 1")
    assert answers == [("refused", 20, 20)]


def test_ten_a_night_stop_within_the_month(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    everyone = ids(church)
    stops: list[str] = []
    for night in range(12):
        hidden = set(everyone[: 10 * (night + 1)])
        church.between = partial(Hiding, hidden=hidden, answers="gone")
        try:
            church.sync(PERSON)
        except SafetyStop as stop:
            stops.append(str(stop))
        church.let_a_day_pass()
    assert PEOPLE - len(church.live(PERSON)) == 30
    assert len(stops) == 9
    assert "10 of 210" in stops[0]
    assert "and 30 were deleted in the last 30 days" in stops[0]
    # All of them come back by themselves once the source shows them.
    church.between = lambda source: source
    church.sync(PERSON)
    assert church.live(PERSON) == set(everyone)
    assert [hold.status for hold in list_holds(church.database, is_all=True)] == [HoldStatus.SETTLED]


def test_what_a_person_approved_is_looked_at_once(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    church.delete(PERSON, 60)
    with pytest.raises(SafetyStop):
        church.sync(PERSON)
    approve_hold(church.database, list_holds(church.database)[0].hold_id)
    assert church.sync(PERSON).counts.tombstoned == 60
    church.delete(PERSON, 10)
    assert church.sync(PERSON).counts.tombstoned == 10
    church.delete(PERSON, 10)
    with pytest.raises(SafetyStop, match=r"10 of 170 .* and 10 were deleted in the last 24 hours"):
        church.sync(PERSON)


@pytest.mark.parametrize(
    ("missing", "losses", "exceeded"),
    [
        (10, (0, 0, 0), None),
        (1_101, (0, 0, 0), 0),
        (210, (1_000, 1_000, 1_000), 0),
        (10, (0, 1_090, 1_090), None),
        (30, (0, 1_200, 1_200), 1),
        (10, (0, 290, 3_670), 2),
        (0, (5_000, 5_000, 5_000), None),
    ],
)
def test_ten_a_night_of_eleven_thousand_stop_within_the_year(
    missing: int, losses: tuple[int, int, int], exceeded: int | None
) -> None:
    assert DeletionCheck(missing, 11_000, LIMITS, losses=losses).exceeded == exceeded
    assert WINDOWS[2].days == 365


def test_a_year_says_nothing_of_what_comes_and_goes_with_its_parents_roster() -> None:
    assert not DeletionCheck(10, 11_000, LIMITS, losses=(0, 290, 9_000), is_nested=True).is_over
    assert DeletionCheck(10, 11_000, LIMITS, losses=(0, 1_290, 9_000), is_nested=True).is_over


@dataclass
class Unlisted(AlteredSource):
    """A source whose nested lists lack some records; each answers as it is."""

    hidden: set[str]

    def read_page(self, query: ListingQuery) -> Page:
        page = self.inner.read_page(query)
        kept = tuple(record for record in page.records if record.external_id not in self.hidden)
        return with_records(page, kept, hidden=len(page.records) - len(kept))


@pytest.mark.parametrize("hides", [False, True], ids=["all others are listed", "another one is hidden and alive"])
def test_a_second_listing_is_believed_of_what_has_no_address_and_only_when_no_candidate_answered(
    synced: Callable[..., Synced], hides: bool
) -> None:
    church = synced(GROUP, MEMBER)
    gone, hidden = sorted(church.live(MEMBER), key=int)[:2]
    church.simulator.delete("group_membership", gone)
    # Nobody knows any more below which group it stood.
    run(
        church.database,
        "UPDATE openfaith.group_memberships SET group_id = 'group_lost' WHERE external_id = %s",
        gone,
    )
    run(church.database, "UPDATE sync.parent_listings SET listed = array_remove(listed, %s)", gone)
    church.between = lambda source: Unlisted(source, {hidden} if hides else set())
    assert church.sync(MEMBER).counts.tombstoned == 0
    result = church.sync(MEMBER)
    assert result.counts.tombstoned == (0 if hides else 1)
    assert (gone in church.live(MEMBER)) is hides
    assert hidden in church.live(MEMBER)


def tell_of_the_end(church: Synced, external_ids: list[str]) -> None:
    events = [InboxEvent(one, "x", PERSON, ExternalId(one), EventAction.DESTROYED) for one in external_ids]
    receive(church.database, GRACE, church.manifest.adapter, events)
    drain_over_http(church)


def test_a_hold_whose_records_went_by_evidence_meanwhile_shrinks_and_closes(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    allow(church, 30)
    gone = church.delete(PERSON, 33)
    with pytest.raises(SafetyStop):
        church.sync(PERSON)
    (hold,) = list_holds(church.database)
    tell_of_the_end(church, gone[:12])
    (smaller,) = list_holds(church.database)
    assert (smaller.hold_id, smaller.missing, smaller.status) == (hold.hold_id, 21, HoldStatus.OPEN)
    assert len(load_held_records(church.database, hold, None, with_names=False)) == 21
    (approved,) = approve_hold(church.database, hold.hold_id)
    assert approved.approved_up_to == 21
    tell_of_the_end(church, gone[12:])
    assert list_holds(church.database) == []
    assert church.live(PERSON) == church.truth(PERSON)


def test_approving_the_parents_approves_what_hangs_below_them(synced: Callable[..., Synced]) -> None:
    church = synced(HOUSEHOLD, FAMILY)
    gone = church.delete(HOUSEHOLD, 15)
    with pytest.raises(SafetyStop):
        church.sync(HOUSEHOLD)
    with pytest.raises(SafetyStop):
        church.sync(FAMILY)
    parents, nested = list_holds(church.database)
    assert (parents.key.entity, nested.key.entity) == (HOUSEHOLD, FAMILY)
    approved = approve_hold(church.database, parents.hold_id, [FAMILY])
    assert [(hold.key.entity, hold.status) for hold in approved] == [
        (HOUSEHOLD, HoldStatus.APPROVED),
        (FAMILY, HoldStatus.APPROVED),
    ]
    assert church.sync(HOUSEHOLD).counts.tombstoned == len(gone)
    church.sync(FAMILY, SyncMode.FULL)
    assert church.live(FAMILY) == church.truth(FAMILY)
    assert list_holds(church.database) == []


def test_approving_the_parents_approves_nothing_else_below_the_living_ones(synced: Callable[..., Synced]) -> None:
    church = synced(HOUSEHOLD, FAMILY)
    church.delete(HOUSEHOLD, 15)
    with pytest.raises(SafetyStop):
        church.sync(HOUSEHOLD)
    church.delete(FAMILY, 60)
    with pytest.raises(SafetyStop):
        church.sync(FAMILY)
    parents, _ = list_holds(church.database)
    assert len(approve_hold(church.database, parents.hold_id, [FAMILY])) == 1
    assert [(hold.key.entity, hold.status) for hold in list_holds(church.database)] == [
        (HOUSEHOLD, HoldStatus.APPROVED),
        (FAMILY, HoldStatus.OPEN),
    ]
