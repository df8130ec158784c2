"""Walk a listing by version, for sources that can filter and order by it.

The next request asks from the last record's second on, that record included.
Rows that are updated while we walk leave for a later second, which this walk or
the next delta reads; so nothing that is alive is missed, whatever moves.

Where a slice ends before the source's clock less the overlap, no row can come in.
A count that is the same in each answer then proves that none has left either, and
the record that was read last is not asked for again (docs/decisions/0016).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page, version_keys
from openfaith_sync.domain.passes.walk_place import Slice, version_key
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.engine.passes.walk_step import Split, Step, middle_of_the_pages
from openfaith_sync.engine.passes.watermarks import look_back

SECOND = timedelta(seconds=1)
LAST_CUT = datetime.max.replace(tzinfo=UTC) - 2 * SECOND
"""Beyond it there is no second to cut at."""

MOST_READ_TWICE = 0.005
"""The share of rows that cuts may cause to be read twice: the anchors of up to two requests before a cut, and the
rows of its second, of which a bulk import has hundreds. So much is left free, and a slice is not cut for more."""

SECOND_AT_A_CUT = 4
"""The rows of the second at a cut, at most, for each that was read of the last second: both are parts of theirs."""


class VersionWalk:
    """The requests and moves of a walk ordered by version."""

    def __init__(
        self, entity: Entity, children: tuple[EntityName, ...], furthest_offset: int, page_size: int = 1
    ) -> None:
        """Walk this entity, with these children; never ask beyond an offset that costs more."""
        self._entity = entity
        self._children = children
        self._furthest_offset = furthest_offset
        self._page_size = page_size
        self._attribute = str(entity.delta.attribute)
        # Whether anchors may be left out: until an answer counts other than the one before it did.
        self._counts_agree = entity.total_count == "exact"
        self._counts_are_wrong = False

    def query(self, slice_: Slice) -> ListingQuery:
        """Return the request that reads on from here."""
        return ListingQuery(
            entity=self._entity.name,
            order=Order.VERSION,
            variant=slice_.variant,
            version_from=parse_key(slice_.lower),
            version_before=parse_key(slice_.upper),
            offset=slice_.offset if slice_.counted is None else slice_.offset + 1,
            children=self._children,
            expected_count=slice_.counted,
        )

    def advance(self, slice_: Slice, page: Page, query: ListingQuery | None = None) -> Step:
        """Move a slice past a page that answered ``query``; ``slice_`` may have been cut shorter since."""
        query = query or self.query(slice_)
        self._judge_count(query, page)
        if not self._is_in_place(slice_, query, page):
            # A row before this page moved away: read this second again from its first row.
            return Step(replace(slice_, offset=0, anchor=None, counted=None), ())
        return self._pass(slice_, page, query, start=query.offset)

    def split_query(self, slice_: Slice) -> ListingQuery | None:
        """Return the request whose answer begins the second half of what remains.

        An open end keeps its anchors, so its half needs a row more for each page.
        """
        rows, in_a_second = slice_.remaining or 0, len(slice_.seen)
        if in_a_second > max(1, MOST_READ_TWICE * rows / SECOND_AT_A_CUT):
            return None
        if slice_.upper is None:
            rows += rows // (2 * self._page_size)
        free = max(4, int(MOST_READ_TWICE * rows))
        offset = min(slice_.offset + middle_of_the_pages(rows, self._page_size, free), self._furthest_offset)
        if offset <= slice_.offset:
            return None
        return replace(self.query(slice_), offset=offset, expected_count=None)

    def split(self, slice_: Slice, query: ListingQuery, page: Page) -> Split | None:
        """Cut a slice at the page's first second: what follows it in the page is read already.

        Gives ``None`` when the cut would leave nothing on one side.
        """
        self._judge_count(query, page)
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
        behind = (slice_.remaining or 0) // 2
        if page.total_count is not None:
            behind = min(slice_.remaining or 0, max(0, page.total_count - query.offset - first))
        right = Slice(lower=cut, upper=slice_.upper, remaining=behind, variant=slice_.variant)
        left = replace(slice_, upper=cut, remaining=(slice_.remaining or 0) - behind, counted=None)
        is_last = first == len(keys)
        # It is unknown on which side of the split a row without a version is: the right side reads it again.
        if is_last or any(record.attributes.get(self._attribute) is None for record in page.records[:first]):
            return Split(left, right, ()) if page.has_next or not is_last else None
        rows = replace(page, records=page.records[first:])
        step = self._pass(right, rows, replace(query, offset=query.offset + first), start=0)
        return Split(left, step.slice, tuple(first + i for i in step.fresh))

    def _pass(self, slice_: Slice, page: Page, query: ListingQuery, start: int) -> Step:
        """Move a slice past a page in its place, whose first row is the ``start``-th from ``lower`` on."""
        keys = version_keys(page.records, self._attribute, slice_.lower or "")
        end = next((i for i, key in enumerate(keys) if slice_.upper is not None and key >= slice_.upper), len(keys))
        seen = set(slice_.seen)
        fresh = tuple(
            i for i in range(end) if not (keys[i] == (slice_.lower or "") and page.records[i].external_id in seen)
        )
        is_done = end < len(keys) or not page.has_next
        left = None if page.total_count is None else max(0, page.total_count - query.offset - len(keys))
        # A slice that was split after the query was made has fewer left than the page counts.
        remaining = left if slice_.remaining is None or left is None else min(left, slice_.remaining)
        if not end:
            return Step(replace(slice_, done=is_done, remaining=0 if is_done else remaining, counted=None), fresh)
        moved = self._moved(slice_, page.records[:end], keys[:end], start)
        may_count = left is not None and query.version_before == parse_key(slice_.upper)
        counted = left + moved.offset + 1 if left is not None and may_count and self._is_closed(moved, page) else None
        return Step(replace(moved, done=is_done, remaining=0 if is_done else remaining, counted=counted), fresh)

    def _moved(self, slice_: Slice, records: Sequence[RawRecord], keys: Sequence[str], start: int) -> Slice:
        last = keys[-1]
        if last == (slice_.lower or ""):
            seen = tuple(dict.fromkeys((*slice_.seen, *(record.external_id for record in records))))
            offset = start + len(records) - 1
        else:
            seen = tuple(record.external_id for record, key in zip(records, keys, strict=True) if key == last)
            offset = len(seen) - 1
        return replace(slice_, lower=last or None, offset=offset, anchor=records[-1].external_id, seen=seen)

    def _is_closed(self, slice_: Slice, page: Page) -> bool:
        """Return whether no row can come into what remains of a slice, and its count can be relied on.

        The slice must end, by version, before the source's clock less the overlap: what is changed or created
        from now on is stamped later. At an open end, a row that comes in hides one that has left.
        """
        upper = parse_key(slice_.upper)
        if upper is None or slice_.lower is None or page.answered_at is None or page.unreadable:
            return False
        return self._counts_agree and upper < look_back(page.answered_at, self._entity.delta.overlap)

    def _judge_count(self, query: ListingQuery, page: Page) -> None:
        """Keep all anchors from now on, once an answer counts other than the one before it or than its own rows."""
        count, expected = page.total_count, query.expected_count
        end = query.offset + page.rows
        if count is None or page.is_short or count < end or (page.has_next and count == end):
            self._counts_are_wrong = True
        elif expected is not None and count > expected:
            # No row can have come in: the count was capped (docs/pco.md 1.3).
            self._counts_are_wrong = True
        self._counts_agree &= not self._counts_are_wrong and (expected is None or count == expected)

    def _is_in_place(self, slice_: Slice, query: ListingQuery, page: Page) -> bool:
        """Return whether nothing has left from between a slice's lower end and this page."""
        if query.expected_count is not None:
            return page.total_count == query.expected_count and not self._counts_are_wrong
        return not query.offset or self._begins_with_anchor(slice_, page)

    def _begins_with_anchor(self, slice_: Slice, page: Page) -> bool:
        """Return whether a page begins with the record last read, unchanged since.

        An anchor that was updated may be met at its old offset by chance, when as many
        rows before it moved away: what lies between its old place and its new one was
        not read yet. One whose version is gone (an empty key) proves what it can.
        """
        keys = version_keys(page.records[:1], self._attribute, slice_.lower or "")
        is_same = bool(keys) and page.records[0].external_id == slice_.anchor
        return is_same and keys[0] in {"", slice_.lower or ""}


def parse_key(key: str | None) -> datetime | None:
    """Return the time of a slice key."""
    return datetime.fromisoformat(key) if key else None
