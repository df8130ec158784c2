"""What exists only below a parent is listed where something changed, and ends only with evidence."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from openfaith_sync.domain.errors import AccessDenied, SafetyStop, SourceFailed, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.deletions.hold_decisions import approve_hold, list_holds
from openfaith_sync_tests.laws.altered_source import AlteredSource, with_records
from openfaith_sync_tests.laws.synced_church import GRACE, GROUP, PERSON, Synced
from openfaith_sync_tests.store.making import fetch

HOUSEHOLD = EntityName("household")
FAMILY = EntityName("household_membership")
MEMBER = EntityName("group_membership")
BOTH = pytest.mark.parametrize(("entity", "parent"), [(FAMILY, HOUSEHOLD), (MEMBER, GROUP)])


def lists_read(church: Synced) -> int:
    return sum(1 for one in church.simulator.requests() if one["path"].endswith("memberships"))


def below(church: Synced, entity: EntityName, relationship: str) -> dict[str, list[str]]:
    """Return the live records of a nested entity by parent."""
    found: dict[str, list[str]] = {}
    for identity, record in church.simulator.truth(entity).items():
        found.setdefault(str(record.relationships[relationship]), []).append(identity)
    return found


@BOTH
def test_a_full_walk_reads_every_parents_list_once(
    synced: Callable[..., Synced], entity: EntityName, parent: EntityName
) -> None:
    church = synced(parent)
    church.simulator.clear_requests()
    result = church.sync(entity, SyncMode.AUTO)
    assert (result.mode, result.source_count) == (SyncMode.FULL, None)
    assert church.live(entity) == church.truth(entity)
    assert len(church.live(entity)) > 40
    assert result.report["parents_read"] == lists_read(church) == len(church.truth(parent))


@BOTH
def test_a_delta_asks_nothing_where_no_parent_changed(
    synced: Callable[..., Synced], entity: EntityName, parent: EntityName
) -> None:
    church = synced(parent, entity)
    church.simulator.clear_requests()
    result = church.sync(entity, SyncMode.AUTO)
    assert (result.mode, lists_read(church), result.requests) == (SyncMode.DELTA, 0, 0)


def test_a_delta_reads_only_the_lists_of_parents_that_changed(synced: Callable[..., Synced]) -> None:
    church = synced(GROUP, MEMBER)
    (group, members), *_ = below(church, MEMBER, "group").items()
    church.simulator.delete("group_membership", members[0])
    person = next(
        one for one in church.truth(PERSON)
        if all(record.relationships["person"] != one for record in church.simulator.truth(MEMBER).values())
    )  # fmt: skip
    church.simulator.create("group_membership", {"role": "member"}, {"group": group, "person": person})
    church.simulator.change("group", group, {"name": "Renamed"})
    church.sync(GROUP, SyncMode.AUTO)
    church.simulator.clear_requests()
    result = church.sync(MEMBER, SyncMode.AUTO)
    assert church.live(MEMBER) == church.truth(MEMBER)
    assert (result.counts.created, result.counts.tombstoned) == (1, 1)
    # The list, and the one that left it by its id.
    assert lists_read(church) == 1


def test_a_households_own_list_spares_the_walk_where_it_says_enough(synced: Callable[..., Synced]) -> None:
    church = synced(HOUSEHOLD, FAMILY)
    families = [one for one, members in below(church, FAMILY, "household").items() if len(members) > 1]
    church.simulator.change("household", families[0], {"name": "Only Renamed"})
    leaver = below(church, FAMILY, "household")[families[1]][0]
    church.simulator.delete("household_membership", leaver)
    church.simulator.change("household", families[1], {"name": "Smaller Now"})
    church.sync(HOUSEHOLD, SyncMode.AUTO)
    church.simulator.clear_requests()
    result = church.sync(FAMILY, SyncMode.DELTA)
    assert (result.report["parents_spared"], result.report["parents_read"], lists_read(church)) == (1, 1, 1)
    assert church.live(FAMILY) == church.truth(FAMILY)
    assert leaver not in church.live(FAMILY)


def test_a_member_that_moved_to_another_parent_is_never_deleted(synced: Callable[..., Synced]) -> None:
    church = synced(HOUSEHOLD, FAMILY)
    families = [one for one, members in below(church, FAMILY, "household").items() if len(members) > 1]
    moved = [below(church, FAMILY, "household")[families[0]][0], below(church, FAMILY, "household")[families[-1]][0]]
    # One moves up and one down: its new list is read after the old one, and before it.
    for membership, to in zip(moved, (families[-1], families[0]), strict=True):
        church.simulator.move("household_membership", membership, "household", to)
    for mode in (SyncMode.FULL, SyncMode.RECONCILIATION):
        church.sync(HOUSEHOLD, SyncMode.FULL)
        result = church.sync(FAMILY, mode)
        assert result.counts.tombstoned == 0
        assert church.live(FAMILY) == church.truth(FAMILY) >= set(moved)


@BOTH
@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.DELTA])
def test_what_hung_below_a_parent_that_is_a_tombstone_ends_with_it(
    synced: Callable[..., Synced], entity: EntityName, parent: EntityName, mode: SyncMode
) -> None:
    church = synced(parent, entity)
    lists = below(church, entity, parent)
    gone = max(lists, key=lambda one: len(lists[one]))
    church.simulator.delete(parent, gone)
    church.sync(parent)
    # More of them than may vanish at once, but their parent's own evidence explains it.
    assert church.sync(entity, mode).counts.tombstoned == len(lists[gone])
    assert church.live(entity) == church.truth(entity)
    assert fetch(church.database, "SELECT count(*) FROM sync.parent_listings WHERE parent_id = %s", gone) == [(0,)]


@BOTH
def test_a_list_that_answers_404_ends_what_it_held_by_evidence_of_each(
    synced: Callable[..., Synced], entity: EntityName, parent: EntityName
) -> None:
    church = synced(parent, entity)
    lists = below(church, entity, parent)
    gone = min(lists, key=lambda one: len(lists[one]))
    church.simulator.delete(parent, gone)
    result = church.sync(entity, SyncMode.FULL)
    assert (result.report["parents_gone"], result.report["confirmed_by_read"]) == (1, len(lists[gone]))
    assert church.live(entity) == church.truth(entity)


NOT_FOUND = {"lists": "memberships", "lists and parents": "v2/{parent}s/"}
"""Which addresses answer 404; the listing of the parents always answers."""


@pytest.mark.parametrize("path", NOT_FOUND.values(), ids=list(NOT_FOUND))
@BOTH
def test_a_first_walk_whose_lists_all_answer_404_is_a_failure_and_heals(
    synced: Callable[..., Synced], entity: EntityName, parent: EntityName, path: str
) -> None:
    church = synced(parent)
    path = path.replace("{parent}", parent)
    for _ in range(2):
        church.simulator.fault(Fault(kind="status", status=404, path=path))
        with pytest.raises(SourceFailed, match=r"all \d+ lists of .* answered 404"):
            church.sync(entity, SyncMode.AUTO)
        assert church.live(entity) == set()
        church.simulator.clear_faults()
    assert church.sync(entity, SyncMode.AUTO).mode is SyncMode.FULL
    assert church.live(entity) == church.truth(entity)


@pytest.mark.parametrize("path", NOT_FOUND.values(), ids=list(NOT_FOUND))
@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.RECONCILIATION])
def test_lists_that_all_answer_404_end_nobodys_membership_however_few_they_are(
    synced: Callable[..., Synced], mode: SyncMode, path: str
) -> None:
    church = synced(GROUP, MEMBER)
    # So few that no safety stop would keep them.
    set_org(church.database, GRACE, deletion_count=10_000, deletion_share=1)
    before = church.live(MEMBER)
    church.simulator.fault(Fault(kind="status", status=404, path=path.replace("{parent}", "group")))
    for _ in range(2):
        with pytest.raises(SourceFailed):
            church.sync(MEMBER, mode)
    assert church.live(MEMBER) == before
    church.simulator.clear_faults()
    assert church.sync(MEMBER, mode).report["still_candidates"] == 0
    assert church.live(MEMBER) == before


def test_a_list_that_answers_404_beside_its_living_parent_says_nothing(synced: Callable[..., Synced]) -> None:
    church = synced(GROUP, MEMBER)
    before = church.live(MEMBER)
    group = next(iter(below(church, MEMBER, "group")))
    church.simulator.fault(Fault(kind="status", status=404, path=f"/groups/{group}/memberships"))
    result = church.sync(MEMBER)
    assert (result.report["parents_unlisted"], result.counts.tombstoned, result.report["missing"]) == (1, 0, 0)
    assert church.live(MEMBER) == before


def test_a_parent_that_comes_back_is_read_again(synced: Callable[..., Synced]) -> None:
    church = synced(GROUP, MEMBER)
    before = church.live(MEMBER)
    group = next(iter(below(church, MEMBER, "group")))
    church.between = lambda source: Losing(source, group)
    church.sync(GROUP)
    church.sync(MEMBER, SyncMode.DELTA)
    assert church.live(MEMBER) == before - set(below(church, MEMBER, "group")[group])
    church.between = lambda source: source
    church.sync(GROUP)
    church.sync(MEMBER, SyncMode.DELTA)
    assert church.live(MEMBER) == before


@dataclass
class Losing(AlteredSource):
    """A source that has one parent, and what hangs below it, no more."""

    parent: str

    def read_page(self, query: ListingQuery) -> Page:
        page = self.inner.read_page(query)
        if query.parent is not None or query.offset:
            return page
        kept = tuple(record for record in page.records if record.external_id != self.parent)
        return with_records(page, kept, hidden=1)

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        is_lost = self.parent in {external_id, parent}
        return None if is_lost else self.inner.read_record(entity, external_id, parent, ancestors)


def test_a_third_of_the_members_gone_waits_for_a_person(synced: Callable[..., Synced]) -> None:
    church = synced(GROUP, MEMBER)
    before = church.live(MEMBER)
    gone = sorted(before)[: len(before) // 3]
    for identity in gone:
        church.simulator.delete("group_membership", identity)
    church.sync(GROUP, SyncMode.AUTO)
    with pytest.raises(SafetyStop, match=f"{len(gone):,} of {len(before):,} records of group_membership"):
        church.sync(MEMBER, SyncMode.AUTO)
    assert church.live(MEMBER) == before
    # Nothing changed since, and it is still no success.
    with pytest.raises(SafetyStop):
        church.sync(MEMBER, SyncMode.AUTO)
    approve_hold(church.database, list_holds(church.database)[0].hold_id)
    assert church.sync(MEMBER, SyncMode.AUTO).counts.tombstoned == len(gone)
    assert church.live(MEMBER) == church.truth(MEMBER)
    assert list_holds(church.database) == []


def test_a_list_that_may_not_be_read_says_nothing_of_what_it_holds(synced: Callable[..., Synced]) -> None:
    church = synced(GROUP, MEMBER)
    before = church.live(MEMBER)
    group = next(iter(below(church, MEMBER, "group")))
    church.simulator.fault(Fault(kind="status", status=403, path=f"/groups/{group}/memberships"))
    result = church.sync(MEMBER)
    assert (result.report["parents_refused"], result.counts.tombstoned) == (1, 0)
    church.simulator.fault(Fault(kind="status", status=403, path="/memberships"))
    with pytest.raises(AccessDenied):
        church.sync(MEMBER)
    assert church.live(MEMBER) == before


def test_a_role_that_changed_is_found_by_the_reconciliation(synced: Callable[..., Synced]) -> None:
    church = synced(HOUSEHOLD, FAMILY)
    membership = min(church.truth(FAMILY))
    church.simulator.change("household_membership", membership, {"household_role": "other_adult"}, touch=False)
    assert church.sync(FAMILY, SyncMode.DELTA).counts.updated == 0
    result = church.sync(FAMILY)
    assert (result.counts.updated, result.report["changed_unseen"]) == (1, 1)


@pytest.mark.parametrize("kind", ["short_page", "empty_page", "repeat_page", "stuck_next"])
@BOTH
def test_a_damaged_list_is_read_again_and_ends_nobodys_membership(
    synced: Callable[..., Synced], kind: str, entity: EntityName, parent: EntityName
) -> None:
    church = synced(parent, entity)
    before = church.live(entity)
    church.simulator.fault(Fault(kind=kind, path="memberships", at=3))
    try:
        result = church.sync(entity)
    except TransientError:
        church.simulator.clear_faults()
        result = church.sync(entity)
    assert result.report["missing"] == 0
    assert church.live(entity) == before


@BOTH
def test_lists_that_are_said_to_be_empty_end_nobodys_membership(
    synced: Callable[..., Synced], entity: EntityName, parent: EntityName
) -> None:
    church = synced(parent, entity)
    before = church.live(entity)
    church.between = Emptying
    with pytest.raises(SafetyStop):
        church.sync(entity)
    assert church.live(entity) == before


@dataclass
class Emptying(AlteredSource):
    """A source whose nested lists are empty, and say so."""

    def read_page(self, query: ListingQuery) -> Page:
        return self.inner.read_page(query) if query.parent is None else Page((), total_count=0, has_next=False)
