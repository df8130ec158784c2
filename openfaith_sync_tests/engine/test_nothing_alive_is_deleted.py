"""Whatever moves while a reconciliation walks, fetches and reads, nothing that lives is tombstoned."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openfaith_sync.domain.errors import AccessDenied, SafetyStop, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.deletions import DeletionLimits
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.engine.deletions import deletion_confirmation as settling
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.engine.moving_church import MovingChurch, small_pages
from openfaith_sync_tests.engine.test_paging_holds_while_the_source_moves import (
    CAMPUS,
    PCO,
    Moves,
    MovesBetween,
    apply,
    sync,
)

ANY_NUMBER = DeletionLimits(count=10**6)
Gone = st.lists(st.integers(1, 60), max_size=30)


def blind(manifest: Manifest) -> Manifest:
    """Return the manifest with a campus whose changes a delta may not see, so that its records are read."""
    campus = manifest.entities[CAMPUS]
    spots = PCO.entities[EntityName("person")].blind_spots
    return manifest.model_copy(
        update={"entities": {**manifest.entities, CAMPUS: campus.model_copy(update={"blind_spots": spots})}}
    )


@dataclass
class ReadChurch(MovingChurch):
    """A church whose records can be read by id, each reading at a moment that is noted."""

    refuses: bool = False
    unlisted: set[int] = field(default_factory=set)
    """Alive, and in no listing."""

    def _matches(self, number: int, query: ListingQuery) -> bool:
        return number not in self.unlisted and super()._matches(number, query)

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        assert entity == self.entity
        assert parent is None
        self.before_request(self)
        if self.refuses:
            raise AccessDenied("the token's user may not read this")
        number = int(external_id)
        return FreshRecord(self._raw(number)) if number in self.versions else None


def reconcile(manifest: Manifest, church: ReadChurch, store: DeletingStore) -> PassResult:
    return sync(manifest, church, store, SyncMode.RECONCILIATION)


def a_synced_church(
    manifest: Manifest, count: int, limits: DeletionLimits = ANY_NUMBER
) -> tuple[ReadChurch, DeletingStore]:
    church = ReadChurch(manifest, CAMPUS)
    for _ in range(count):
        church.create(0)
    store = DeletingStore(manifest.entities[CAMPUS], limits)
    sync(manifest, church, store, SyncMode.FULL)
    return church, store


@pytest.mark.parametrize("reads", ["records are read", "ids only"])
@pytest.mark.parametrize("in_flight", [1, 4])
@given(count=st.integers(0, 60), gone=Gone, moves=Moves, budget=st.sampled_from([0, 13, 500]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_only_what_is_gone_is_tombstoned_and_everything_settles(
    reads: str, in_flight: int, count: int, gone: list[int], moves: list[MovesBetween], budget: int
) -> None:
    small = small_pages(PCO, in_flight=in_flight)
    manifest = blind(small) if reads == "records are read" else small
    church, store = a_synced_church(manifest, count)
    for number in gone:
        church.delete(number)
    script = iter(moves)
    church.before_request = lambda moving: apply(moving, next(script, []))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "READS_A_PASS", budget)
        for _ in range(3):
            try:
                reconcile(manifest, church, store)
            except TransientError:
                continue
            # An id is never given twice, so what was tombstoned must be gone now as well.
            assert not set(store.buried) & set(map(str, church.versions))
        church.before_request = lambda _: None
        for _ in range(6):
            reconcile(manifest, church, store)
    if not budget:
        # What nobody read waits, however many listings lack it.
        assert not store.buried
        return
    assert store.live == set(map(str, church.versions))
    assert len(store.buried) == len(set(store.buried))


@given(count=st.integers(1, 60), gone=Gone, moves=Moves, budget=st.sampled_from([0, 13, 500]))
@settings(max_examples=60, deadline=None)
def test_nothing_is_tombstoned_while_the_source_will_not_say(
    count: int, gone: list[int], moves: list[MovesBetween], budget: int
) -> None:
    manifest = small_pages(PCO, in_flight=1)
    church, store = a_synced_church(manifest, count)
    church.refuses = True
    for number in gone:
        church.delete(number)
    script = iter(moves)
    church.before_request = lambda moving: apply(moving, next(script, []))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "READS_A_PASS", budget)
        for _ in range(3):
            try:
                reconcile(manifest, church, store)
            except TransientError:
                continue
    assert not store.buried


@given(count=st.integers(0, 60), gone=Gone, unlisted=Gone, at_once=st.sampled_from([1, 7, 50]))
@settings(max_examples=60, deadline=None)
def test_what_lives_and_is_never_listed_is_never_tombstoned(
    count: int, gone: list[int], unlisted: list[int], at_once: int
) -> None:
    manifest = small_pages(PCO, in_flight=1)
    church, store = a_synced_church(manifest, count)
    church.unlisted = set(unlisted)
    for number in gone:
        church.delete(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "READS_AT_ONCE", at_once)
        for _ in range(2):
            reconcile(manifest, church, store)
    assert store.live == set(map(str, church.versions))
    assert not set(store.buried) & set(map(str, church.versions))


@given(count=st.integers(1, 60), gone=Gone)
@settings(max_examples=60, deadline=None)
def test_more_than_may_vanish_at_once_waits(count: int, gone: list[int]) -> None:
    manifest = small_pages(PCO, in_flight=1)
    church, store = a_synced_church(manifest, count, DeletionLimits(count=4, share=0.2))
    for number in gone:
        church.delete(number)
    missing = count - len(church.versions)
    newcomer = church.create(9)
    if missing > 4 and missing > 0.2 * (count + 1):
        with pytest.raises(SafetyStop, match="openfaith-sync holds show 1"):
            reconcile(manifest, church, store)
        assert not store.buried
        assert len(store.evidence.missed) == missing
    else:
        reconcile(manifest, church, store)
        assert store.live == set(map(str, church.versions))
    assert str(newcomer) in store.live


@given(count=st.integers(1, 60), gone=Gone, calls=st.integers(0, 30), in_flight=st.sampled_from([1, 4]))
@settings(max_examples=60, deadline=None)
def test_a_reconciliation_that_failed_anywhere_goes_on(count: int, gone: list[int], calls: int, in_flight: int) -> None:
    manifest = small_pages(PCO, in_flight=in_flight)
    church, store = a_synced_church(manifest, count)
    for number in gone:
        church.delete(number)
    asked = iter(range(1000))

    def fail_once(moving: MovingChurch) -> None:
        if next(asked) == calls:
            raise ConnectionError

    church.before_request = fail_once
    try:
        reconcile(manifest, church, store)
    except ConnectionError:
        assert reconcile(manifest, church, store).resumed
    assert store.live == set(map(str, church.versions))
    assert sorted(store.buried) == sorted(str(n) for n in range(1, count + 1) if n not in church.versions)
