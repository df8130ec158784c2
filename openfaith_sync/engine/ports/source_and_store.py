"""What the engine needs of the outside, and nothing more."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.deletions import Candidate, Hold, Weighing
from openfaith_sync.domain.passes.listing import FreshRecord, ListingQuery, Page
from openfaith_sync.domain.passes.passes import (
    Checkpoint,
    Committed,
    Counts,
    Lease,
    OpenPass,
    PageCommit,
    PassId,
    PassStart,
    RiderPass,
)
from openfaith_sync.domain.passes.rejections import Rejected
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.merges import MergeCommit, ReferenceColumn, Revival
from openfaith_sync.domain.records.record import JsonObject, MappedBatch, RawRecord
from openfaith_sync.domain.webhooks.inbox import Reading, Wait
from openfaith_sync.engine.ports.evidence import Evidence


class Source(Protocol):
    """One org's connection to the external system. Safe to use from several threads."""

    def read_page(self, query: ListingQuery) -> Page:
        """Return one page, proven well formed.

        Raises:
            TransientError: The source failed, or answered with something that is no answer.
            ReconnectRequired: The credentials are refused.
            NotFoundAtSource: There is no such listing; for a nested one, the parent is gone.
            AccessDenied: The token may not read it.
            DefinitionError: The request itself is wrong.
        """
        ...

    def read_record(
        self, entity: EntityName, external_id: ExternalId, parent: ExternalId | None = None
    ) -> FreshRecord | None:
        """Return one record fresh from the source, its sideloaded children with it.

        ``None`` only when the source answers 404 or 410: the one evidence that it is gone.
        ``parent`` is needed for nested entities.

        Raises:
            AccessDenied: The token may not read it, which says nothing about whether it lives.
            TransientError: The source failed.
        """
        ...

    def read_merges(self, query: ListingQuery) -> Page:
        """Return one page of the merges of an entity, ordered by when they were made.

        Raises:
            AccessDenied: The token may not read them.
            TransientError: The source failed, or answered with something that is no answer.
        """
        ...

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record that an event shows; without attributes where the event shows none.

        Raises:
            MalformedAnswer: It is no resource object.
        """
        ...


class Store(Protocol):
    """Our database, for one org at a time. Used from one thread."""

    def hold_lease(self, key: SyncKey, holder: str) -> AbstractContextManager[Lease]:
        """Hold the right to write under a key; it ends with the process, however that ends.

        Raises:
            LeaseHeld: Another live worker has it.
        """
        ...

    def load_checkpoint(self, key: SyncKey) -> Checkpoint:
        """Return the durable place to resume from; an empty one for a new key."""
        ...

    def open_pass(self, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
        """Begin a pass and one for each of its riders; an open one before it is abandoned."""
        ...

    def commit_page(self, lease: Lease, page: PageCommit) -> Mapping[EntityName, Counts]:
        """Store a page, its checkpoint and its counts in one transaction.

        Law 1: atomic, and refused whole when the lease was lost.
        Law 2: a record older than the stored one, or equal to it, writes nothing.

        Raises:
            LeaseLost: Another worker took over; nothing was written.
        """
        ...

    def begin_commit(self, lease: Lease, page: PageCommit) -> Committed:
        """Do the same without waiting: what is given waits, and raises.

        Pages are stored in the order in which they were begun, each only when all before it
        were. Nothing else is to be asked of the store before the last of them is waited for.
        """
        ...

    def close_pass(self, lease: Lease, pass_id: PassId, watermark: datetime | None, requests: int) -> None:
        """Mark a pass complete and move the watermark up to the given one, never back.

        Law 3: only here does a watermark move. ``requests`` adds those made outside pages.
        """
        ...

    def open_evidence(self, lease: Lease, pass_id: PassId) -> Evidence:
        """Return what an open pass proves about what is gone."""
        ...

    def abandon_pass(self, lease: Lease, pass_id: PassId) -> None:
        """End a pass that will not be finished; the watermark stays."""
        ...

    def abandon_riders(self, lease: Lease, pass_id: PassId) -> None:
        """End the passes of the children that did not ride along after all: they walk themselves."""
        ...

    def reset_watermark(self, lease: Lease) -> None:
        """Forget a watermark that lies past the source's own clock: the next pass reads everything.

        The one way back for a watermark (law 3).
        """
        ...

    def load_announced(self, lease: Lease, pass_id: PassId) -> Mapping[str, int]:
        """Return how many records this pass changed, and how many of them a webhook had announced.

        Empty for an org without subscriptions.
        """
        ...

    def write_report(self, lease: Lease, pass_id: PassId, report: Mapping[str, object]) -> None:
        """Add to what a pass reports."""
        ...

    def load_report(self, lease: Lease, pass_id: PassId) -> Mapping[str, object]:
        """Return what a pass has reported so far."""
        ...

    def count_changes(self, key: SyncKey, batch: MappedBatch) -> int:
        """Count the records of a batch that storing would change; nothing is written."""
        ...

    def has_changed_parents(self, key: SyncKey, parent: EntityName) -> bool:
        """Whether a stored parent of nested records was never listed, or has changed since."""
        ...

    def note_checked(self, key: SyncKey) -> None:
        """Note that the source was asked for changes now."""
        ...

    def load_rider(self, key: SyncKey) -> RiderPass | None:
        """Return the open rider pass of a child whose parent's pass is complete, the newest one."""
        ...

    def count_live(self, key: SyncKey) -> int:
        """Count the records we hold that are not tombstoned."""
        ...

    def count_set_aside(self, key: SyncKey) -> int:
        """Count the records that wait as dead letters and of which no older version is held."""
        ...

    def weigh_rejected(self, key: SyncKey) -> Rejected:
        """Return how many records wait as dead letters, of how many, and which share of them the org allows."""
        ...

    def commit_merges(self, lease: Lease, page: MergeCommit) -> int:
        """Apply merges and move their watermark in one transaction; gives how many were new.

        Chains are followed to their ends. Links and references of what is removed lead
        to the end, its row is tombstoned, and the inbox is asked to have the end read.

        Raises:
            LeaseLost: Another worker took over; nothing was written.
        """
        ...

    def follow_merges(self, key: SyncKey, references: Sequence[ReferenceColumn]) -> int:
        """Lead references to merged records to what they became part of; gives how many did not yet.

        A page read before a merge may be stored after it.
        """
        ...

    def load_merged(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> Mapping[ExternalId, ExternalId]:
        """Return what those of these records became part of that are merged."""
        ...

    def load_live(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that live here."""
        ...

    def load_readings(self, key: SyncKey, most: int) -> Sequence[Reading]:
        """Return the records with due events, the longest waiting first, each with all its waiting events."""
        ...

    def load_parent(
        self, key: SyncKey, parent: EntityName, reference: ReferenceColumn, external_id: ExternalId
    ) -> ExternalId | None:
        """Return the source's id of the parent that our row of a nested record refers to."""
        ...

    def load_gone(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that are tombstones here."""
        ...

    def weigh(self, key: SyncKey, parent: EntityName | None) -> Weighing:
        """Return how much of an entity is missing and was lost lately, how much may be, and the hold that stands."""
        ...

    def hold_deletions(
        self, lease: Lease, pass_id: PassId, key: SyncKey, candidates: Sequence[Candidate], reason: str
    ) -> Hold:
        """Have these records wait for a person as candidates for deletion, behind an open hold; may be repeated."""
        ...

    def revive(self, lease: Lease, revival: Revival) -> None:
        """Take back merges of records that live: each is a tombstone of its own again, which its record undeletes.

        What refers to the records that they became part of may have referred to them: it is read again.
        """
        ...

    def postpone_events(self, lease: Lease, waits: Mapping[str, Wait]) -> None:
        """Have events looked at again later."""
        ...

    def count_waiting(self, key: SyncKey) -> int:
        """Count the events that are not settled."""
        ...
