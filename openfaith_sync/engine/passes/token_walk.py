"""Walks a whole listing whose pages each give the token of the next one: a cursor or a link.

The source keeps the place, so no anchor is asked for again. A token that it no longer knows after an interruption
makes the walk begin anew (``pass_runner.py``).
"""

from dataclasses import replace

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.paging import Paging
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.engine.passes.id_walk import IdWalk
from openfaith_sync.engine.passes.walk_step import Split, Step, Walk


class TokenWalk:
    """The requests and moves of a walk from token to token."""

    def __init__(self, entity: Entity, children: tuple[EntityName, ...], *, is_sparse: bool = False) -> None:
        """Walk this entity, with these children; a sparse walk reads ids and versions only."""
        self._entity, self._children, self._is_sparse = entity, children, is_sparse

    def query(self, slice_: Slice) -> ListingQuery:
        """Return the request that reads on from here."""
        return ListingQuery(
            self._entity.name,
            variant=slice_.variant,
            children=self._children,
            is_sparse=self._is_sparse,
            token=slice_.token or "",
        )

    def advance(self, slice_: Slice, page: Page, query: ListingQuery | None = None) -> Step:  # noqa: ARG002  never cut
        """Move a slice past a page that answered its query."""
        ids = [record.external_id for record in page.records]
        fresh = tuple(index for index, found in enumerate(ids) if found not in slice_.seen)
        return Step(replace(slice_, token=page.next_token, seen=tuple(ids), done=not page.has_next), fresh)

    def split_query(self, slice_: Slice) -> ListingQuery | None:  # noqa: ARG002  there is one token at a time
        """Return nothing: only the page before a place leads to it."""
        return None

    def split(self, slice_: Slice, query: ListingQuery, page: Page) -> Split | None:  # noqa: ARG002  see split_query
        """Return nothing, since nothing is asked."""
        return None


def whole_listing_walk(
    entity: Entity, paging: Paging, children: tuple[EntityName, ...] = (), *, is_sparse: bool = False
) -> Walk:
    """Return how the whole listing of an entity is walked at a source that is paged so."""
    if paging.is_by_token and entity.is_paged:
        return TokenWalk(entity, children, is_sparse=is_sparse)
    return IdWalk(entity, children, paging.size, is_sparse=is_sparse)
