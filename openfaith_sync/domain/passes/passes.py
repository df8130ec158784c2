"""A pass: one walk through one entity's listing, its checkpoint and its counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, TypeAlias

from openfaith_sync.domain.dead_letters.replays import ReplayedLetters
from openfaith_sync.domain.ids import EntityId, EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.domain.records.record import MappedBatch

PassId = NewType("PassId", int)
Report: TypeAlias = Mapping[str, int | str | None]
"""What a pass found beside its counts."""


class SyncMode(StrEnum):
    """How an entity is synced; ``auto`` is decided from the checkpoint."""

    AUTO = "auto"
    FULL = "full"
    DELTA = "delta"
    RECONCILIATION = "reconciliation"
    """Everything is listed, missing records on either side are resolved, and unseen changes are stored."""
    RECORD = "record"
    """Single records, each read fresh by its id."""
    SIDELOAD = "sideload"
    """Stored with its parent's pages; only ever the mode of a pass, never asked for."""
    REPLAY = "replay"
    """Dead letters, mapped again; only ever the mode of a pass."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much of an entity a reconciliation covers."""

    is_windowed: bool = False
    """Whether it covers only the window of the entity's cadence, if that has one."""
    is_reread: bool = False
    """Whether it reads whole records where ids and versions would do."""


COMPARE_ALL = Comparison()


@dataclass(frozen=True, slots=True)
class Counts:
    """The outcomes of records: every record read is counted in exactly one of these."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    """Same content, or an older version than ours."""
    tombstoned: int = 0
    dead: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add member by member."""
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def records(self) -> int:
        """All records read."""
        return self.created + self.updated + self.unchanged + self.dead


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write under one sync key, until another worker takes it over."""

    key: SyncKey
    token: int
    """Grows with every holder; a commit with an older one is refused."""


@dataclass(frozen=True, slots=True)
class Rider:
    """A child entity whose records come with the pages of its parent's pass."""

    entity: EntityName
    watermark_to: datetime | None
    """The newest version the source showed of it when the pass began: its own watermark to be."""
    manifest_version: str


@dataclass(frozen=True, slots=True)
class PassStart:
    """The parameters of a new pass."""

    mode: SyncMode
    trigger: str
    """Who requested it: ``cli``, ``dagster``, ``webhook`` …"""
    manifest_version: str
    run_id: str | None = None
    """Dagster's run, when there is one."""
    watermark_from: datetime | None = None
    """The watermark a delta starts from; ``None`` for a full pass."""
    watermark_to: datetime | None = None
    """The newest version the source showed when the pass began, where it was asked."""
    riders: tuple[Rider, ...] = ()
    """Child entities whose records come with the pages."""
    is_listed_anew: bool = True
    """Whether a full pass meets every row again; not if the rows came with others."""


@dataclass(frozen=True, slots=True)
class OpenPass:
    """A pass that has begun and not ended."""

    pass_id: PassId
    start: PassStart
    place: WalkPlace
    counts: Counts
    """Of the walked entity, as committed so far."""
    pages: int
    requests: int
    newest: datetime | None
    """The newest version committed in this pass."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The durable place to resume from."""

    watermark: datetime | None = None
    """Newest source version that a complete pass covers."""
    completed_at: datetime | None = None
    """When the last complete pass ended, by the database's clock; for people, never for the sync."""
    manifest_version: str | None = None
    """The manifest version that mapped the last complete full listing and every delta since."""
    open_pass: OpenPass | None = None


@dataclass(frozen=True, slots=True)
class ParentListing:
    """One parent's nested records, as read now: the complete list, or what changed in it."""

    parent_id: ExternalId
    parent_hash: bytes | None
    """The parent's content when its list was read; ``None`` when the parent is gone."""
    listed: tuple[ExternalId, ...]
    began_at: datetime | None = None
    """The database's time when the reading began; ``None`` means the present."""
    watermark: datetime | None = None
    """The newest version that this reading covers, where later ones read only what changed since."""
    is_whole: bool = True
    """Whether what it lacks has left the list."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A nested record that was read by its id, with the parent that it stands under."""

    entity: EntityName
    parent_id: ExternalId
    external_id: ExternalId


@dataclass(frozen=True, slots=True)
class NamedParent:
    """A parent whose list an event makes due, whatever its record says."""

    entity: EntityName
    """The nested entity."""
    parent_id: ExternalId


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A record that is proven gone at the source."""

    entity: EntityName
    table: RecordTable
    external_id: ExternalId
    entity_id: EntityId
    proven_at: datetime | None = None
    """When the proof began, by the database's clock: what was written to the record since then is newer
    than the proof, and the record stays. ``None`` where nobody else can have read it since."""
    is_loss: bool = True
    """Whether it counts toward the safety stop: not where a person approved it or it was deleted with its parent."""


class CandidateAnswer(StrEnum):
    """The result of reading a candidate by its id."""

    ALIVE = "alive"
    """It can be read: the listing that lacks it is wrong."""
    REFUSED = "refused"
    """The token may not read it, or the source failed; this is evidence of nothing."""


@dataclass(frozen=True, slots=True)
class PageCommit:
    """All changes of one page, or of several that were ready together; stored as a whole or not at all."""

    pass_id: PassId
    place: WalkPlace
    """The place after these pages."""
    batches: tuple[MappedBatch, ...]
    """The walked entity's records first, then those of each rider."""
    requests: int = 1
    waited: timedelta = timedelta()
    """Wall time for which the budget or a retry held the walk back, less what other pages have reported of it."""
    listed: tuple[ExternalId, ...] = ()
    """Reconciliation: every external id that the page listed, kept until the listings are compared.
    Being listed, they are candidates for deletion no more."""
    listed_versions: Mapping[ExternalId, datetime] = field(default_factory=dict)
    """The versions that the listing shows of these, where it shows any."""
    older: tuple[OlderVersion, ...] = ()
    """Records of which ``batches`` holds an older version than is held, to be taken by evidence: the one
    exception of law 2. One that is held in another version by now is left as it is."""
    parents: tuple[ParentListing, ...] = ()
    """Nested entities: the parents whose complete lists these are; what left a list becomes a candidate."""
    memberships: tuple[Membership, ...] = ()
    """Nested records that are on their parents' lists from now on: a list without one makes it a candidate."""
    named_parents: tuple[NamedParent, ...] = ()
    """Parents whose lists are due from now on."""
    tombstones: tuple[Tombstone, ...] = ()
    """Records that are proven gone (law 4). Their rows stay, with ``deleted_at``."""
    answers: Mapping[ExternalId, CandidateAnswer] = field(default_factory=dict)
    """Candidates for deletion that were read by their ids and are not gone."""
    handled: Mapping[str, str] = field(default_factory=dict)
    """Inbox events that this handles, each with its outcome."""
    findings: Mapping[str, int] = field(default_factory=dict)
    """Figures to add to the pass's report."""
    pages: int = 1
    replayed: ReplayedLetters | None = None
    """The dead letters that ``batches`` were mapped from, where they did not come from the source just now."""
    manifest_versions: Mapping[EntityName, str] = field(default_factory=dict)
    """The fingerprints of the entities that were mapped, where they are not the pass's manifest version."""
    believed_until: datetime | None = None
    """Versions after this moment are stored and move no watermark: the source cannot have stamped them yet."""


@dataclass(frozen=True, slots=True)
class RiderPass:
    """The pass of a sideloaded child whose parent's pass is complete."""

    pass_id: PassId
    watermark_to: datetime | None
    counts: Counts
    counted: int | None = None
    """What the source counted before the parent's first page; ``None`` once a page brought one that is newer."""


@dataclass(frozen=True, slots=True)
class PassResult:
    """The result of syncing one entity."""

    key: SyncKey
    mode: SyncMode
    counts: Counts
    pages: int
    requests: int
    source_count: int | None
    """The source's own count; ``None`` where it is not reliable."""
    stored_count: int
    """Live records we hold."""
    watermark: datetime | None
    duration: timedelta
    resumed: bool = False
    report: Mapping[str, object] = field(default_factory=dict)
    """What the pass found beside its counts."""
    pass_id: PassId | None = None

    def followed_by(self, later: "PassResult") -> "PassResult":
        """Return one result for this pass and the one that completed it."""
        return replace(
            later,
            mode=self.mode,
            counts=self.counts + later.counts,
            pages=self.pages + later.pages,
            requests=self.requests + later.requests,
            resumed=self.resumed,
            report={**self.report, **later.report},
        )
