"""Walk a listing backwards from its newest version, for sources that can order by version and not filter.

Rows that change while we walk leave for the front, where the next delta reads
them, and push the others down; rows that go pull the others up. Each request
begins with the last record read. What an answer begins with instead says which
way the ground moved: newer rows, and the walk reads on; older ones, and it
steps back until it meets what it knows.
"""

from collections.abc import Sequence
from dataclasses import replace

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page, version_keys
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.engine.passes.walk_step import Split, Step


class DescendingWalk:
    """The requests and moves of a walk from the newest version down to a slice's ``lower`` key.

    ``upper`` is the version of the anchor, and ``seen`` holds what was read of that second.
    """

    def __init__(self, entity: Entity, children: tuple[EntityName, ...], page_size: int) -> None:
        """Walk this entity, with these children."""
        self._entity = entity
        self._children = children
        self._page_size = page_size
        self._attribute = str(entity.delta.attribute)

    def query(self, slice_: Slice) -> ListingQuery:
        """Return the request that reads on from here."""
        return ListingQuery(
            self._entity.name,
            Order.VERSION_DESCENDING,
            variant=slice_.variant,
            offset=slice_.offset,
            children=self._children,
        )

    def advance(self, slice_: Slice, page: Page, query: ListingQuery | None = None) -> Step:  # noqa: ARG002  never cut
        """Move a slice past a page that answered its query, or to where the ground has moved."""
        keys = version_keys(page.records, self._attribute, slice_.upper or "")
        ids = [record.external_id for record in page.records]
        if not self._is_known_ground(slice_, ids, keys):
            return Step(replace(slice_, offset=max(0, slice_.offset - self._page_size + 1)), ())
        fresh = tuple(i for i, key in enumerate(keys) if self._is_wanted(slice_, ids[i], key))
        is_past = bool(keys and keys[-1] and slice_.lower and keys[-1] < slice_.lower)
        is_done = is_past or not page.has_next
        moved = replace(slice_, done=is_done, offset=slice_.offset + max(0, len(ids) - 1))
        if ids and (slice_.upper is None or keys[-1] <= slice_.upper):
            last = keys[-1]
            here = [found for found, key in zip(ids, keys, strict=True) if key == last]
            before = slice_.seen if last == slice_.upper else ()
            moved = replace(moved, anchor=ids[-1], upper=last or None, seen=tuple(dict.fromkeys((*before, *here))))
        return Step(moved, fresh)

    def split_query(self, slice_: Slice) -> ListingQuery | None:  # noqa: ARG002  what remains is short and unknown
        """Return ``None``: the distance to the watermark is unknown until it is reached."""
        return None

    def split(self, slice_: Slice, query: ListingQuery, page: Page) -> Split | None:  # noqa: ARG002  see split_query
        """Return ``None``, since no split is requested."""
        return None

    @staticmethod
    def _is_known_ground(slice_: Slice, ids: Sequence[str], keys: Sequence[str]) -> bool:
        """Return whether no unread row can come before this page."""
        if not slice_.offset or slice_.anchor in ids:
            return True
        return bool(keys) and slice_.upper is not None and keys[0] > slice_.upper

    @staticmethod
    def _is_wanted(slice_: Slice, external_id: str, key: str) -> bool:
        """Return whether a row was not read yet and is not older than the walk goes."""
        if slice_.lower is not None and key and key < slice_.lower:
            return False
        if slice_.upper is None:
            return True
        return key <= slice_.upper and not (key == slice_.upper and external_id in slice_.seen)
