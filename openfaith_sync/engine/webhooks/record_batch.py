"""One batch of the inbox: what was read of each record, and what is about to be stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.listing import FreshRecord
from openfaith_sync.domain.passes.passes import Membership, Tombstone
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.domain.webhooks.inbox import DueRecord, Wait
from openfaith_sync.engine.deletions.withheld_deletions import RequestedDeletion


@dataclass(frozen=True, slots=True)
class RecordRead:
    """The source's response for one record."""

    due: DueRecord
    parent: ExternalId | None = None
    fresh: FreshRecord | None = None
    failure: SyncError | None = None
    carrier: FreshRecord | None = None
    """The parent, which was read in its place with what comes with it: the record has no path of its own."""


@dataclass(slots=True)
class RecordBatch:
    """What one batch is about to store."""

    raws: dict[EntityName, list[RawRecord]] = field(default_factory=dict)
    """By entity, sideloaded children first: what was read by its own id is newer."""
    asked: list[RequestedDeletion] = field(default_factory=list)
    """Records that events report as deleted and that the source answers 404 for."""
    tombstones: list[Tombstone] = field(default_factory=list)
    revived: dict[EntityName, list[ExternalId]] = field(default_factory=dict)
    """Records that a merge removed here and that the source still shows."""
    memberships: list[Membership] = field(default_factory=list)
    handled: dict[str, str] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)

    def include(self, children: Mapping[EntityName, Sequence[RawRecord]]) -> None:
        """Add sideloaded children, which yield to records that were read by their own ids."""
        for entity, records in children.items():
            self.raws[entity] = [*records, *self.raws.get(entity, ())]
