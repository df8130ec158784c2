"""A parent's list is believed only when it is whole."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from openfaith_sync.domain.errors import AccessDenied, NotFoundAtSource, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, SyncKey
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.records.nesting import ParentPlace
from openfaith_sync.domain.records.record import RawRecord, Reference
from openfaith_sync.engine.nested.parent_lists import ParentLists, ParentRead
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.session import Session
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.engine.moving_church import EagerThreads, NoMergesOrEvents, small_pages
from openfaith_sync_tests.engine.test_paging_holds_while_the_source_moves import PCO

COUNTED, UNCOUNTED = EntityName("household_membership"), EntityName("group_membership")
PARENT = ParentPlace(ExternalId("9"), b"hash", None, None, frozenset())
PARENTS = {name.lower(): Reference(PARENT.external_id, name) for name in ("Household", "Group")}
Damage = Callable[[int, Page], Page]


@dataclass
class OneList(NoMergesOrEvents):
    """One parent's list, five records a page; each answer may be damaged."""

    size: int
    damage: Damage = lambda _, page: page
    asked: list[int] = field(default_factory=list)
    parent: FreshRecord | AccessDenied | None = None
    """What reading the parent itself gives."""

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        assert parent is None
        assert (entity, external_id) in {("household", "9"), ("group", "9")}
        if isinstance(self.parent, AccessDenied):
            raise self.parent
        return self.parent

    def read_page(self, query: ListingQuery) -> Page:
        assert query.parent == "9"
        self.asked.append(query.offset)
        ids = range(1, self.size + 1)[query.offset : query.offset + 5]
        records = tuple(RawRecord(ExternalId(str(one)), {}, PARENTS, {}) for one in ids)
        page = Page(records, total_count=self.size, has_next=query.offset + 5 < self.size)
        return self.damage(len(self.asked), page)


def read(source: OneList, entity: EntityName = COUNTED) -> ParentRead:
    manifest = small_pages(PCO, in_flight=1)
    lease = Lease(SyncKey(OrgId("grace"), manifest.adapter, entity), 1)
    store = DeletingStore(manifest.entities[entity])
    session = Session(manifest, source, store, OrgId("grace"), threads=EagerThreads)
    held = EntitySession(session, lease)
    return ParentLists(held, held.build_fetcher()).read(PARENT)


def numbers(found: ParentRead) -> list[int]:
    return sorted(map(int, found.listed))


def whole(size: int) -> list[int]:
    return list(range(1, size + 1))


@pytest.mark.parametrize("entity", [COUNTED, UNCOUNTED])
@pytest.mark.parametrize("size", [0, 1, 4, 5, 6, 9, 10, 23])
def test_a_list_is_read_to_its_end(entity: EntityName, size: int) -> None:
    source = OneList(size)
    found = read(source, entity)
    assert numbers(found) == whole(size)
    assert len(found.batch.records) == size
    assert found.requests == len(source.asked)


@pytest.mark.parametrize("entity", [COUNTED, UNCOUNTED])
def test_a_short_list_costs_one_request(entity: EntityName) -> None:
    assert read(OneList(3), entity).requests == 1


@pytest.mark.parametrize("entity", [COUNTED, UNCOUNTED])
@pytest.mark.parametrize("at", range(1, 5))
@pytest.mark.parametrize("kept", range(5))
def test_an_answer_cut_short_is_read_again(entity: EntityName, at: int, kept: int) -> None:
    def cut(number: int, page: Page) -> Page:
        return replace(page, records=page.records[:kept], has_next=False) if number == at else page

    assert numbers(read(OneList(12, cut), entity)) == whole(12)


@pytest.mark.parametrize("entity", [COUNTED, UNCOUNTED])
@pytest.mark.parametrize("at", range(2, 5))
def test_a_repeated_answer_is_read_again(entity: EntityName, at: int) -> None:
    source = OneList(12)
    before: list[Page] = []

    def repeat(number: int, page: Page) -> Page:
        before.append(page)
        return replace(page, records=before[-2].records) if number == at else page

    source.damage = repeat
    assert numbers(read(source, entity)) == whole(12)


def test_two_readings_are_believed_over_a_count_that_is_known_to_be_wrong() -> None:
    found = read(OneList(3, lambda _, page: replace(page, total_count=7)), UNCOUNTED)
    assert (numbers(found), found.requests <= 4) == (whole(3), True)


def test_a_count_that_says_less_ends_no_list() -> None:
    found = read(OneList(12, lambda _, page: replace(page, total_count=2, has_next=False)), UNCOUNTED)
    assert numbers(found) == whole(12)


def test_a_counted_list_that_never_has_as_many_is_not_believed() -> None:
    with pytest.raises(TransientError, match="has 3 records where the source counts 7"):
        read(OneList(3, lambda _, page: replace(page, total_count=7)))


def test_a_parent_that_is_gone_has_an_empty_list_that_counts_as_never_read() -> None:
    def gone(_: int, __: Page) -> Page:
        raise NotFoundAtSource("404")

    found = read(OneList(3, gone))
    assert (found.is_gone, found.listing.listed, found.listing.parent_hash) == (True, (), None)


def test_a_list_that_answers_404_says_nothing_while_its_parent_can_be_read_or_is_denied() -> None:
    def gone(_: int, __: Page) -> Page:
        raise NotFoundAtSource("404")

    found = read(OneList(3, gone, parent=FreshRecord(RawRecord(ExternalId("9"), {}, {}, {}))))
    assert (found.is_gone, found.is_unlisted) == (False, True)
    denied = read(OneList(3, gone, parent=AccessDenied("403")))
    assert isinstance(denied.refusal, AccessDenied)
    assert (denied.is_gone, denied.is_unlisted) == (False, False)


def test_a_list_that_may_not_be_read_is_a_refusal_and_no_list() -> None:
    def deny(_: int, __: Page) -> Page:
        raise AccessDenied("403")

    found = read(OneList(3, deny))
    assert isinstance(found.refusal, AccessDenied)
    assert not found.is_gone
