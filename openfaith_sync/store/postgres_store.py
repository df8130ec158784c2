"""The engine's ``Store``, for one org, over one connection."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, SyncKey
from openfaith_sync.domain.passes.deletions import Candidate, Hold, Weighing
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
from openfaith_sync.domain.records.record import MappedBatch
from openfaith_sync.domain.webhooks.inbox import Reading, Wait
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.deletions import holds
from openfaith_sync.store.deletions.evidence import PostgresEvidence
from openfaith_sync.store.inbox import inbox_rows as inbox
from openfaith_sync.store.merges import merges
from openfaith_sync.store.pages.page_writer import OnStep, PageWriter
from openfaith_sync.store.passes import change_detection as news
from openfaith_sync.store.passes import leases, passes
from openfaith_sync.store.passes.leases import check_lease
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection


class PostgresStore:
    """One org's data in PostgreSQL; implements ``engine.needs.Store``. Used from one thread.

    Law 10: a key of another org is refused here, and every statement below names the org.
    """

    def __init__(
        self,
        connection: Connection,
        org: OrgId,
        on_step: OnStep | None = None,
        terms: leases.LeaseTerms = leases.USUAL_TERMS,
    ) -> None:
        """Serve this org only."""
        self._connection = connection
        self._org = org
        self._on_step = on_step
        self._terms = terms
        self._pages = PageWriter(connection, on_step)
        self._held: set[SyncKey] = set()

    @contextmanager
    def hold_lease(self, key: SyncKey, holder: str) -> Iterator[Lease]:
        """Hold the right to write under a key until the block ends, the process ends, or it is silent for too long."""
        self._guard(key)
        if key in self._held:
            # The server would grant a session its own lock again.
            raise DefinitionError(f"{key} is held by this store already")
        with leases.hold_lease(self._connection, key, holder, self._terms) as lease:
            self._held.add(key)
            try:
                yield lease
            finally:
                self._held.discard(key)
                self._pages.rest()

    def load_checkpoint(self, key: SyncKey) -> Checkpoint:
        """Return the durable place to resume from; an empty one for a new key."""
        self._guard(key)
        with translated():
            return passes.load_checkpoint(self._connection, key)

    def open_pass(self, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
        """Begin a pass and one for each of its riders; an open one before it is abandoned."""
        self._guard(lease.key)
        with translated():
            return passes.open_pass(self._connection, lease, start, place)

    def commit_page(self, lease: Lease, page: PageCommit) -> Mapping[EntityName, Counts]:
        """Store a page, its checkpoint and its counts in one transaction."""
        return self.begin_commit(lease, page)()

    def begin_commit(self, lease: Lease, page: PageCommit) -> Committed:
        """Send a page; what is given waits until it is stored."""
        self._guard_org(lease.key)
        with translated():
            wait = self._pages.begin(lease, page)

        def waited() -> Mapping[EntityName, Counts]:
            with translated():
                return wait()

        return waited

    def close_pass(self, lease: Lease, pass_id: PassId, watermark: datetime | None, requests: int) -> None:
        """Mark a pass complete and move the watermark up to the given one, never back."""
        self._guard(lease.key)
        with translated():
            passes.close_pass(self._connection, lease, pass_id, watermark, requests)

    def open_evidence(self, lease: Lease, pass_id: PassId) -> PostgresEvidence:
        """Return what an open pass proves."""
        self._guard(lease.key)
        return PostgresEvidence(self._connection, lease, pass_id, self._on_step)

    def abandon_pass(self, lease: Lease, pass_id: PassId) -> None:
        """End a pass that will not be finished; the watermark stays."""
        self._guard(lease.key)
        with translated():
            passes.abandon_pass(self._connection, lease, pass_id)

    def abandon_riders(self, lease: Lease, pass_id: PassId) -> None:
        """End the passes of the children that did not ride along after all."""
        self._guard(lease.key)
        with translated():
            passes.abandon_riders(self._connection, lease, pass_id)

    def reset_watermark(self, lease: Lease) -> None:
        """Forget a watermark that cannot be right, so that the next pass reads everything."""
        self._guard(lease.key)
        with translated():
            passes.reset_watermark(self._connection, lease)

    def load_announced(self, lease: Lease, pass_id: PassId) -> Mapping[str, int]:
        """Return how many records this pass changed, and how many of them a webhook had announced."""
        self._guard(lease.key)
        with translated():
            return news.load_announced(self._connection, lease, pass_id)

    def write_report(self, lease: Lease, pass_id: PassId, report: Mapping[str, object]) -> None:
        """Add to what a pass reports."""
        self._guard(lease.key)
        with translated():
            news.write_report(self._connection, lease, pass_id, report)

    def load_report(self, lease: Lease, pass_id: PassId) -> Mapping[str, object]:
        """Return what a pass has reported so far."""
        return self.open_evidence(lease, pass_id).load_report()

    def count_changes(self, key: SyncKey, batch: MappedBatch) -> int:
        """Count the records of a batch that storing would change; nothing is written."""
        self._guard(key)
        with translated():
            return news.count_changes(self._connection, key, batch)

    def has_changed_parents(self, key: SyncKey, parent: EntityName) -> bool:
        """Whether a stored parent was never listed, or has changed since."""
        self._guard(key)
        with translated():
            return news.has_changed_parents(self._connection, key, parent)

    def note_checked(self, key: SyncKey) -> None:
        """Note that the source was asked for changes now."""
        self._guard(key)
        with translated():
            news.note_checked(self._connection, key)

    def load_rider(self, key: SyncKey) -> RiderPass | None:
        """Return the open rider pass of a child whose parent's pass is complete, the newest one."""
        self._guard(key)
        with translated():
            return passes.load_rider(self._connection, key)

    def count_live(self, key: SyncKey) -> int:
        """Count the records we hold that are not tombstoned."""
        self._guard(key)
        with translated():
            return passes.count_live(self._connection, key)

    def count_set_aside(self, key: SyncKey) -> int:
        """Count the records that wait as dead letters and of which no older version is held."""
        self._guard(key)
        with translated():
            return passes.count_set_aside(self._connection, key)

    def weigh_rejected(self, key: SyncKey) -> Rejected:
        """Return how many records wait as dead letters, of how many, and which share of them the org allows."""
        self._guard(key)
        with translated():
            return passes.weigh_rejected(self._connection, key)

    def commit_merges(self, lease: Lease, page: MergeCommit) -> int:
        """Apply merges and move their watermark in one transaction; return how many were new."""
        self._guard(lease.key)
        with translated():
            return merges.commit_merges(self._connection, lease, page)

    def follow_merges(self, key: SyncKey, references: Sequence[ReferenceColumn]) -> int:
        """Point references to merged records at the surviving record; return how many were changed."""
        self._guard(key)
        with translated():
            return merges.follow_merges(self._connection, key, references)

    def load_merged(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> Mapping[ExternalId, ExternalId]:
        """Return the surviving record of each of these records that is merged."""
        self._guard(key)
        with translated():
            return merges.load_merged(self._connection, key, external_ids)

    def load_live(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that are stored and live."""
        self._guard(key)
        with translated():
            return merges.load_live(self._connection, key, external_ids)

    def load_gone(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that are tombstoned."""
        self._guard(key)
        with translated():
            return merges.load_gone(self._connection, key, external_ids)

    def weigh(self, key: SyncKey, parent: EntityName | None) -> Weighing:
        """Return how much of an entity is missing and was lost lately, how much may be, and the hold that stands."""
        self._guard(key)
        with translated():
            return holds.weigh(self._connection, key, parent)

    def hold_deletions(
        self, lease: Lease, pass_id: PassId, key: SyncKey, candidates: Sequence[Candidate], reason: str
    ) -> Hold:
        """Have these records wait for a person as candidates for deletion, behind an open hold; may be repeated."""
        self._guard(key)
        with translated(), self._connection.transaction():
            check_lease(self._connection, lease)
            return holds.hold_candidates(self._connection, key, pass_id, candidates, reason)

    def revive(self, lease: Lease, revival: Revival) -> None:
        """Take back merges of records that live; what led through them leads to them."""
        self._guard(lease.key)
        with translated():
            merges.revive(self._connection, lease, revival)

    def load_readings(self, key: SyncKey, most: int) -> Sequence[Reading]:
        """Return the records with due events, the longest waiting first, each with all its waiting events."""
        self._guard(key)
        with translated():
            return inbox.load_readings(self._connection, key, most)

    def load_parent(
        self, key: SyncKey, parent: EntityName, reference: ReferenceColumn, external_id: ExternalId
    ) -> ExternalId | None:
        """Return the source's id of the parent that our row of a nested record refers to."""
        self._guard(key)
        with translated():
            return inbox.load_parent(self._connection, key, parent, reference, external_id)

    def postpone_events(self, lease: Lease, waits: Mapping[str, Wait]) -> None:
        """Have events looked at again later."""
        self._guard(lease.key)
        with translated():
            inbox.postpone_events(self._connection, lease, waits)

    def count_waiting(self, key: SyncKey) -> int:
        """Count the events that are not settled."""
        self._guard(key)
        with translated():
            return inbox.count_waiting(self._connection, key)

    def _guard(self, key: SyncKey) -> None:
        self._guard_org(key)
        # Nothing else can be asked of a connection over which a page is being stored.
        self._pages.rest()

    def _guard_org(self, key: SyncKey) -> None:
        if key.org != self._org:
            raise DefinitionError(f"{key} was asked of the store of {self._org}")


@contextmanager
def open_store(database: Database, org: OrgId, on_step: OnStep | None = None) -> Iterator[PostgresStore]:
    """Yield the store of one org, over one connection of its own.

    ``on_step`` is the seam of the kill tests: called with one of ``COMMIT_STEPS``
    before each statement of a page's commit, and after the last.
    """
    terms = leases.LeaseTerms(database.lease_lasts, lambda: database.connect(org))
    with database.connect_for_pages(org) as connection:
        yield PostgresStore(connection, org, on_step, terms)
