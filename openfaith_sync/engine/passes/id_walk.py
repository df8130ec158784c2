"""Walk a whole listing by id and offset, for sources that cannot filter by version.

Each request begins with the last record read. When the answer does not begin
with it, rows before it were deleted or added, and the walk steps back until it
meets rows that it knows. New records get higher ids and come at the end.
"""

from dataclasses import replace

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.engine.passes.walk_step import Split, Step, middle_of_the_pages


class IdWalk:
    """The requests and moves of a walk ordered by id."""

    def __init__(
        self, entity: Entity, children: tuple[EntityName, ...], page_size: int, *, is_sparse: bool = False
    ) -> None:
        """Walk this entity, with these children; a sparse walk reads ids and versions only."""
        self._entity = entity
        self._children = children
        self._page_size = page_size
        self._is_sparse = is_sparse
        # Where the count is unreliable, only a page without new records ends the listing.
        self._must_see_the_end = entity.total_count != "exact"
        self._is_by_id = entity.listed_by == "id"

    def query(self, slice_: Slice) -> ListingQuery:
        """Return the request that reads on from here."""
        return ListingQuery(
            self._entity.name,
            Order.ID,
            variant=slice_.variant,
            offset=slice_.offset,
            children=self._children,
            is_sparse=self._is_sparse,
        )

    def advance(self, slice_: Slice, page: Page, query: ListingQuery | None = None) -> Step:  # noqa: ARG002  see below
        """Move a slice past a page that answered its query, or back when the ground moved."""
        start = self._first_unread(slice_, page)
        if start is None:
            return Step(replace(slice_, offset=max(0, slice_.offset - self._page_size + 1)), ())
        ids = _ids(page)
        end = len(ids) if slice_.upper is None else _first_at_or_above(ids, slice_.upper)
        fresh = tuple(i for i in range(start, end) if ids[i] not in slice_.seen)
        is_done = end < len(ids) or (not page.has_next and not (self._must_see_the_end and fresh))
        left = None if page.total_count is None else page.total_count - slice_.offset - len(ids)
        if slice_.upper is not None and slice_.remaining is not None and left is not None:
            # The page counts to the end of the listing; a slice that was split ends earlier.
            left = max(0, min(left, slice_.remaining - len(fresh)))
        moved = replace(slice_, done=is_done, remaining=0 if is_done else left)
        if end:
            offset = slice_.offset + end - 1
            moved = replace(moved, offset=offset, anchor=ids[end - 1], seen=tuple(ids[:end]))
        return Step(moved, fresh)

    def split_query(self, slice_: Slice) -> ListingQuery | None:
        """Return the request for the middle, where ids are numbers in order and the count is right.

        The last page before the cut must have room for one row beyond it, which shows that it was reached.
        """
        fresh = max(1, self._page_size - 1)
        offset = slice_.offset + middle_of_the_pages(slice_.remaining or 0, fresh, free=min(4, fresh))
        is_cuttable = (
            self._is_by_id and not self._must_see_the_end and slice_.anchor is not None and slice_.anchor.isdigit()
        )
        return replace(self.query(slice_), offset=offset) if is_cuttable and offset > slice_.offset else None

    def split(self, slice_: Slice, query: ListingQuery, page: Page) -> Split | None:
        """Cut a slice at the page's first id; the whole page belongs to the right half."""
        ids = _ids(page)
        if slice_.done or not ids or not is_ordered(page.records):
            return None
        cut = ids[0]
        is_inside = slice_.anchor is not None and sort_key(slice_.anchor) < sort_key(cut)
        if not is_inside or (slice_.upper is not None and sort_key(cut) >= sort_key(slice_.upper)):
            return None
        before = max(0, query.offset - slice_.offset - 1)
        part = Slice(lower=cut, upper=slice_.upper, offset=query.offset, variant=slice_.variant)
        right = self.advance(part, page)
        behind = max(0, (slice_.remaining or 0) - before - len(ids))
        right_part = replace(right.slice, remaining=0 if right.slice.done else behind)
        return Split(replace(slice_, upper=cut, remaining=before), right_part, right.fresh)

    def _first_unread(self, slice_: Slice, page: Page) -> int | None:
        """Return the index of the first record after the anchor, or ``None`` to step back."""
        if slice_.anchor is None or (not slice_.offset and not page.records):
            return 0
        ids = _ids(page)
        if slice_.anchor in ids:
            return ids.index(slice_.anchor) + 1
        if (
            self._is_by_id
            and ids
            and slice_.anchor.isdigit()
            and is_ordered(page.records)
            and sort_key(ids[0]) < sort_key(slice_.anchor)
        ):
            return next((i for i, found in enumerate(ids) if sort_key(found) > sort_key(slice_.anchor)), len(ids))
        return None if slice_.offset else 0


def sort_key(external_id: str) -> tuple[int, str]:
    """Order ids as the source does: numbers by value (docs/pco.md 1.4)."""
    return len(external_id), external_id


def is_ordered(records: tuple[RawRecord, ...]) -> bool:
    """Return whether these ids are numbers and come in their order."""
    keys = [sort_key(record.external_id) for record in records if record.external_id.isdigit()]
    return len(keys) == len(records) and keys == sorted(keys)


def _ids(page: Page) -> list[str]:
    return [record.external_id for record in page.records]


def _first_at_or_above(ids: list[str], upper: str) -> int:
    # A row without an id keeps its place, and ends nothing.
    return next((i for i, found in enumerate(ids) if found.isdigit() and sort_key(found) >= sort_key(upper)), len(ids))
