"""Walk a listing by version, for sources that can filter and order by it.

The next request asks from the last record's second on, that record included.
Rows that are updated while we walk leave for a later second, which this walk or
the next delta reads; so nothing that is alive is missed, whatever moves.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page, version_keys
from openfaith_sync.domain.passes.walk_place import Slice, version_key
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.engine.passes.walk_step import Split, Step

SECOND = timedelta(seconds=1)
LAST_CUT = datetime.max.replace(tzinfo=UTC) - 2 * SECOND
"""Beyond it there is no second to cut at."""


class VersionWalk:
    """The requests and moves of a walk ordered by version."""

    def __init__(self, entity: Entity, children: tuple[EntityName, ...], furthest_offset: int) -> None:
        """Walk this entity, with these children; never ask beyond an offset that costs more."""
        self._entity = entity
        self._children = children
        self._furthest_offset = furthest_offset
        self._attribute = str(entity.delta.attribute)

    def query(self, slice_: Slice) -> ListingQuery:
        """Return the request that reads on from here."""
        return ListingQuery(
            entity=self._entity.name,
            order=Order.VERSION,
            version_from=parse_key(slice_.lower),
            version_before=parse_key(slice_.upper),
            offset=slice_.offset,
            children=self._children,
        )

    def advance(self, slice_: Slice, page: Page) -> Step:
        """Move a slice past a page that answered its query; ``slice_`` may have been cut shorter since."""
        keys = version_keys(page.records, self._attribute, slice_.lower or "")
        if slice_.offset and not _begins_with_anchor(slice_, page, keys):
            # A row before the anchor moved away: read this second again from its first row.
            return Step(replace(slice_, offset=0, anchor=None), ())
        end = next((i for i, key in enumerate(keys) if slice_.upper is not None and key >= slice_.upper), len(keys))
        seen = set(slice_.seen)
        fresh = tuple(
            i for i in range(end) if not (keys[i] == (slice_.lower or "") and page.records[i].external_id in seen)
        )
        is_done = end < len(keys) or not page.has_next
        left = None if page.total_count is None else max(0, page.total_count - slice_.offset - len(keys))
        # A slice that was split after the query was made has fewer left than the page counts.
        remaining = left if slice_.remaining is None or left is None else min(left, slice_.remaining)
        if not end:
            return Step(replace(slice_, done=is_done, remaining=0 if is_done else remaining), fresh)
        moved = self._moved(slice_, page.records[:end], keys[:end])
        return Step(replace(moved, done=is_done, remaining=0 if is_done else remaining), fresh)

    def split_query(self, slice_: Slice) -> ListingQuery | None:
        """Return the request whose answer begins the second half of what remains."""
        offset = min(slice_.offset + (slice_.remaining or 0) // 2, self._furthest_offset)
        return replace(self.query(slice_), offset=offset) if offset > slice_.offset else None

    def split(self, slice_: Slice, query: ListingQuery, page: Page) -> Split | None:  # noqa: ARG002  cut by version
        """Cut a slice at the page's first second: what follows it in the page is read already.

        Gives ``None`` when the cut would leave nothing on one side.
        """
        if slice_.done or not page.records:
            return None
        keys = version_keys(page.records, self._attribute)
        if not keys[0]:
            return None
        found = datetime.fromisoformat(keys[0])
        if found > LAST_CUT:
            return None
        cut = version_key(found + SECOND)
        if (slice_.lower and slice_.lower >= cut) or (slice_.upper and cut >= slice_.upper):
            return None
        first = next((i for i, key in enumerate(keys) if key >= cut), len(keys))
        right = Slice(lower=cut, upper=slice_.upper, remaining=(slice_.remaining or 0) // 2)
        left = replace(slice_, upper=cut, remaining=right.remaining)
        is_last = first == len(keys)
        # It is unknown on which side of the split a row without a version is: the right side reads it again.
        if is_last or any(record.attributes.get(self._attribute) is None for record in page.records[:first]):
            return Split(left, right, ()) if page.has_next or not is_last else None
        step = self.advance(right, replace(page, records=page.records[first:]))
        remaining = 0 if step.slice.done else right.remaining
        return Split(left, replace(step.slice, remaining=remaining), tuple(first + i for i in step.fresh))

    def _moved(self, slice_: Slice, records: Sequence[RawRecord], keys: Sequence[str]) -> Slice:
        last = keys[-1]
        if last == (slice_.lower or ""):
            seen = tuple(dict.fromkeys((*slice_.seen, *(record.external_id for record in records))))
            offset = slice_.offset + len(records) - 1
        else:
            seen = tuple(record.external_id for record, key in zip(records, keys, strict=True) if key == last)
            offset = len(seen) - 1
        return replace(slice_, lower=last or None, offset=offset, anchor=records[-1].external_id, seen=seen)


def _begins_with_anchor(slice_: Slice, page: Page, keys: Sequence[str]) -> bool:
    """Return whether a page begins with the record last read, unchanged since.

    An anchor that was updated may be met at its old offset by chance, when as many
    rows before it moved away: what lies between its old place and its new one was
    not read yet. One whose version is gone (an empty key) proves what it can.
    """
    is_same = bool(page.records) and page.records[0].external_id == slice_.anchor
    return is_same and keys[0] in {"", slice_.lower or ""}


def parse_key(key: str | None) -> datetime | None:
    """Return the time of a slice key."""
    return datetime.fromisoformat(key) if key else None
