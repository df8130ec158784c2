"""A source of which every listing is asked for within a window."""

from dataclasses import replace

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Page, Within
from openfaith_sync.domain.passes.windows import open_window
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.ports.source import Source


class WindowedSource:
    """Lists the part of the listings that lies within a window; everything else is the source's."""

    def __init__(self, source: Source, within: Within) -> None:
        """List this part only."""
        self._source = source
        self._within = within
        self.read_record = source.read_record
        self.read_merges = source.read_merges
        self.parse_payload = source.parse_payload
        self.parse_stored = source.parse_stored

    def read_page(self, query: ListingQuery) -> Page:
        """Return a page of the records within the window."""
        return self._source.read_page(replace(query, within=self._within))


def listed_for_changes(session: Session, entity: Entity) -> Source:
    """Return the source of which a check for changes lists an entity: within its window, if it has one."""
    window = entity.cadence.delta_window
    if window is None:
        return session.source
    return WindowedSource(session.source, open_window(window, session.store.load_now(session.key(entity.name))))
