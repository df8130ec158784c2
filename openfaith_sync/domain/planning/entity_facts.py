"""What is known of one entity of one org before a pass: stored here, counted and listed at the source."""

from dataclasses import dataclass, field, replace

from openfaith_sync.domain.passes.deletions import DeletionCheck
from openfaith_sync.domain.passes.passes import Checkpoint
from openfaith_sync.domain.planning.ranges import NOTHING, Range


@dataclass(frozen=True, slots=True)
class SourceView:
    """What the source shows of an entity, as a few requests find it."""

    counted: int | None = None
    """Its number of records; ``None`` where it states none that is reliable and the listing was not read whole."""
    since_watermark: Range | None = None
    """How many records a delta lists: those at or after the watermark less the overlap."""
    new: Range | None = None
    """How many of its records are not stored here; ``None`` where no version says which records are new."""
    differing: Range | None = None
    """How many of its records storing would change, new ones included."""
    is_changing: bool = False
    """Whether the newest version is so recent that the count is requested once more at a full pass's end."""
    merges: int | None = None
    """How many merges it lists."""
    refusal: str | None = None
    """Why it does not show the entity."""


@dataclass(frozen=True, slots=True)
class NestedFacts:
    """The stored lists of a nested entity."""

    lists: tuple[int, ...] = ()
    """The number of members that each stored parent's list has, longest first."""
    changed_parents: int = 0
    """Stored parents that changed since their list was read, or whose list was never read."""


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """One entity, as stored and as the source shows it."""

    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    check: DeletionCheck | None = None
    """The live records, recent losses, limits and hold; ``None`` for an entity that was never synced."""
    set_aside: int = 0
    """Records with a dead letter that are not stored."""
    is_current: bool = True
    """Whether today's manifest mapped what is stored."""
    announced: int = 0
    """Deletions that events in the inbox announce."""
    worst_night: int = 0
    """The most records that one of the last reconciliations deleted."""
    merges_applied: int = 0
    seconds_per_request: float | None = None
    """How long its last passes took for each request, side by side, without waits for the budget."""
    nested: NestedFacts = NestedFacts()
    source: SourceView | None = None
    """``None`` where the source was not asked."""
    refusal: str | None = None
    """Why the entity is not synced."""
    is_full_sync_done: bool = False
    """Whether these are facts after a full sync that is predicted to run first."""

    def after_full_sync(self) -> "EntityFacts":
        """Return what will be known once a full sync has stored everything that the source shows now."""
        source = self.source and replace(
            self.source, new=NOTHING, differing=NOTHING, since_watermark=NOTHING, is_changing=False
        )
        return replace(
            self,
            check=self.check and replace(self.check, live=self.counted or 0),
            source=source,
            merges_applied=self.merges,
            is_current=True,
            is_full_sync_done=True,
        )

    @property
    def stored(self) -> int:
        """Return the number of stored records that are not tombstoned."""
        return self.check.live if self.check else 0

    @property
    def is_synced(self) -> bool:
        """Return whether a pass of the entity was ever complete."""
        return self.is_full_sync_done or self.checkpoint.completed_at is not None

    @property
    def counted(self) -> int | None:
        """Return the source's number of records, where it is known."""
        return self.source.counted if self.source else None

    @property
    def records(self) -> int | None:
        """Return how many records the source has, as far as is known; ``None`` if nothing is."""
        if self.counted is not None:
            return self.counted
        return self.stored + self.set_aside if self.is_synced else None

    @property
    def new(self) -> Range:
        """Return how many of the source's records are not stored, as far as is known."""
        return (self.source.new if self.source else None) or NOTHING

    @property
    def merges(self) -> int:
        """Return how many merges the source lists, as far as is known."""
        return self.merges_applied if self.source is None or self.source.merges is None else self.source.merges

    @property
    def new_merges(self) -> int:
        """Return how many merges are not applied."""
        return max(0, self.merges - self.merges_applied)
