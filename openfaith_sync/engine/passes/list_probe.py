"""Find out whether lists that a delta would ask have changed, so that a quiet org starts no run."""

from dataclasses import replace

from openfaith_sync.domain.errors import NotFoundAtSource
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page
from openfaith_sync.domain.records.nesting import ParentPlace, ParentScope, build_nesting
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.watermarks import look_back

MOST_PROBED_LISTS = 20
"""Of which one page is read, one after the other; more are left to a run, which reads them side by side."""


class ListProbe:
    """The probe of one nested entity."""

    def __init__(self, session: Session, entity: EntityName) -> None:
        """Probe this entity's lists."""
        self._store, self._manifest = session.store, session.manifest
        self._entity = session.manifest.entities[entity]
        self._key = session.key(entity)
        self._fetcher = Fetcher(session.manifest, session.source, session.org, entity)
        self.requests = 0

    def find_work(self) -> str | None:
        """Return why a run is needed; ``None`` if no list is due, and those that are asked anyway are unchanged.

        Raises:
            SyncError: The source or the store failed; nothing is known then.
        """
        nesting = build_nesting(self._manifest, self._entity)
        if self._store.has_due_parents(self._key, nesting, ParentScope.TRIGGERED):
            return f"a {nesting.parent} changed"
        if not (nesting.asks_every_parent or nesting.polled):
            return None
        parents = self._store.load_due_parents(self._key, nesting, ParentScope.ASKED, MOST_PROBED_LISTS + 1)
        if len(parents) > MOST_PROBED_LISTS:
            return f"more than {MOST_PROBED_LISTS} lists are asked for changes"
        return f"the list of a {nesting.parent} changed" if any(map(self._has_changed, parents)) else None

    def _has_changed(self, parent: ParentPlace) -> bool:
        """Return whether a list shows something new; a whole one longer than a page counts as changed."""
        # A record names its riders only where they are asked for; without these names each would differ from ours.
        query = ListingQuery(
            self._entity.name,
            parent=parent.external_id,
            ancestors=parent.ancestors,
            children=self._fetcher.riders,
        )
        is_newest = parent.watermark is not None and self._entity.delta.by is not DeltaCapability.NONE
        if parent.watermark is not None and is_newest:
            is_filtered = self._entity.delta.by is DeltaCapability.FILTER
            lower = look_back(parent.watermark, self._entity.delta.overlap) if is_filtered else None
            query = replace(query, order=Order.VERSION_DESCENDING, version_from=lower)
        elif self._manifest.adapter_file.paging.is_by_token and self._entity.is_paged:
            query = replace(query, token="")
        try:
            fetched = self._fetcher.fetch(query)
        except NotFoundAtSource:
            # There was no record either, or a run finds out what became of it.
            return bool(parent.listed)
        self.requests += fetched.page.requests
        if self._store.count_changes(self._key, fetched.batch):
            return True
        return not is_newest and _is_other_list(parent, fetched.page)


def _is_other_list(parent: ParentPlace, page: Page) -> bool:
    return page.has_next or {record.external_id for record in page.records} != set(parent.listed or ())
