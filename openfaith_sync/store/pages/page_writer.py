"""Commit a page: its records, dead letters, counts and place, as a whole or not at all (law 1)."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import orjson
import psycopg

from openfaith_sync.domain.dead_letters.replays import ReplayedLetters
from openfaith_sync.domain.errors import DefinitionError, TransientError
from openfaith_sync.domain.ids import EntityName, SyncKey, is_listed
from openfaith_sync.domain.passes.erasures import ErasedRecord, Erasures
from openfaith_sync.domain.passes.passes import Counts, Lease, PageCommit, PassId
from openfaith_sync.domain.records.record import MappedBatch, Record, Rejection
from openfaith_sync.store.database.org_connection import OnStep
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.erasures.erasures import load_erasures
from openfaith_sync.store.pages import page_sql
from openfaith_sync.store.pages.evidence_rows import evidence_of, listing_of
from openfaith_sync.store.pages.page_rows import (
    Parameters,
    describe_refusal,
    progress_parameters,
)
from openfaith_sync.store.pages.page_statements import (
    count_changes,
    note_erased,
    page_parameters,
    report_unreadable,
    resolve_letters,
    store_evidence,
    store_records,
    store_rejections,
)
from openfaith_sync.store.pages.pipeline import Pipeline, StatementResult
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import EntityTables, known_tables

COMMIT_STEPS = (
    "begin",
    "check_lease",
    "note_listed",
    "step_back",
    "store_records",
    "resolve_dead_letters",
    "store_dead_letters",
    "tombstone",
    "note_answers",
    "follow_hold",
    "note_parent",
    "handle_events",
    "note_report",
    "note_erased",
    "advance",
    "commit",
    "committed",
)
"""The steps passed to ``on_step``: each statement's name before it is sent, and "committed" after the last.

``store_records``, ``store_dead_letters``, ``note_report``, ``tombstone`` and ``follow_hold`` come once for each entity
that needs them, ``note_parent`` once for each parent. Only the pages of a replay have ``resolve_dead_letters``.
"""

BatchParameters: TypeAlias = list[tuple[MappedBatch, Parameters]]
"""Each batch with the parameters that all its statements have: its org, adapter, entity and pass."""

# Errors that a single record can cause. All others fail the whole page.
_RECORDS_OWN_FAULT = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    orjson.JSONEncodeError,
    UnicodeError,
)


@dataclass(slots=True, eq=False)
class SentPage:
    """A page whose statements were sent; implements ``engine.ports.pages.PendingCommit``."""

    writer: "PageWriter"
    lease: Lease
    page: PageCommit
    batches: BatchParameters
    erased: tuple[ErasedRecord, ...] = ()
    stored: list[StatementResult | None] = field(default_factory=list)
    committed: StatementResult | None = None
    counts: dict[EntityName, Counts] | None = None
    """Once it is in the database."""
    failure: Exception | None = None
    """Once it is known that it is not, and why."""

    def result(self) -> Mapping[EntityName, Counts]:
        """Wait until the page is stored, and return its counts by entity.

        Raises:
            SyncError: It was not stored.
        """
        with translated():
            return self.writer.finish(self)


class PageWriter:
    """Commit pages over one connection.

    All statements of a page are sent together and answered together, so a page costs one
    round trip; the next page may be sent before the first is answered, so that the server
    need not wait for us. The lease check comes first, and when it fails the server skips
    the rest, and whatever was sent behind it.
    """

    def __init__(self, connection: Connection, on_step: OnStep | None) -> None:
        """Write over this connection; with ``on_step``, wait for each statement's answer before the next."""
        self._connection = connection
        self._on_step = on_step
        self._pipeline = Pipeline(connection)
        self._under_way: deque[SentPage] = deque()
        self._riders_of: PassId | None = None
        self._riders: dict[EntityName, PassId] = {}
        self._tables: EntityTables = {}
        self._erasures: Erasures | None = None

    def know_tables(self) -> None:
        """Read which table holds the records of each entity: once, before the connection is used for pages only."""
        self._tables = known_tables(self._connection)

    def know_erasures(self, keys: SecretKeys | None, key: SyncKey) -> None:
        """Read what must not be stored again; with a lease held, since an erasure ends all leases of its org."""
        self._erasures = load_erasures(self._connection, keys, key.org, key.adapter)

    def begin(self, lease: Lease, page: PageCommit) -> SentPage:
        """Send a page, to be stored after those that were sent before.

        A record that the database itself refuses becomes a dead letter (law 5).
        """
        erased: tuple[ErasedRecord, ...] = ()
        if self._erasures:
            page, erased = self._erasures.without(page, lease.key.entity)
        sent = SentPage(self, lease, page, self._batch_parameters(lease, page), erased)
        is_refused = False
        try:
            self._send_page(sent)
            self._under_way.append(sent)
        except _RECORDS_OWN_FAULT:
            # Handled below: what is raised there must not carry this error, which may contain a value.
            is_refused = True
        except Exception:  # whatever it is, those before it are whole and this one is taken back; raised again
            self.rest()
            raise
        except BaseException:  # Ctrl-C too: the connection must not keep a half-sent page open; raised again
            self._give_up(is_hasty=True)
            raise
        if is_refused:
            while self._under_way:
                self._finish_oldest()
            self._under_way.append(sent)
            self._recover()
        return sent

    def rest(self) -> None:
        """Wait for all pages that were sent, and leave the connection free for other uses, or closed.

        The result of each page is kept for its caller.
        """
        try:
            while self._under_way:
                self._finish_oldest()
        except psycopg.Error:
            return
        finally:
            if not self._pipeline.is_resting:
                self._give_up()

    def finish(self, sent: SentPage) -> Mapping[EntityName, Counts]:
        """Wait until a page is stored, and return its counts; raise why it was not."""
        while sent in self._under_way:
            if len(self._under_way) == 1:
                self._pipeline.end()
            self._finish_oldest()
        if not self._under_way:
            self.rest()
        if sent.counts is None:
            raise sent.failure or TransientError("a page was not stored: the one before it could not be")
        return sent.counts

    def _finish_oldest(self) -> None:
        """Wait for one page, or store it separately; raise why it cannot be stored."""
        oldest = self._under_way[0]
        assert oldest.committed is not None
        is_refused = False
        try:
            self._pipeline.wait(oldest.committed)
        except _RECORDS_OWN_FAULT:
            # As above.
            is_refused = True
        except Exception as error:
            oldest.failure = error
            self._give_up()
            raise
        except BaseException:  # Ctrl-C too: nobody waits for what is under way any more; raised again
            self._give_up(is_hasty=True)
            raise
        if is_refused:
            self._recover()
            return
        self._under_way.popleft()
        pairs = zip(oldest.page.batches, oldest.stored, strict=True)
        oldest.counts = {
            batch.entity: count_changes(len(batch.records), answer, len(batch.rejected)) for batch, answer in pairs
        }
        self._step("committed")

    def _recover(self) -> None:
        """Store the sent pages one after the other, since the first has a record that the database refuses."""
        pages = list(self._under_way)
        self._give_up()
        for sent in pages:
            try:
                sent.counts = self._commit_apart(sent)
            except Exception as error:
                sent.failure = error
                raise

    def _give_up(self, *, is_hasty: bool = False) -> None:
        self._under_way.clear()
        self._pipeline.abort(is_hasty=is_hasty)

    def _batch_parameters(self, lease: Lease, page: PageCommit) -> BatchParameters:
        key, entities = lease.key, [batch.entity for batch in page.batches]
        since = None if page.replayed is None else page.replayed.read_since
        common: Parameters = {"org": key.org, "adapter": key.adapter, "since": since}
        if not is_listed(key.entity):
            return [(batch, common | {"entity": batch.entity, "pass": page.pass_id}) for batch in page.batches]
        if entities[:1] != [key.entity] or len(set(entities)) < len(entities):
            raise DefinitionError(f"a page of {key} must begin with its own records and name each entity once")
        self._know_riders(lease, page.pass_id, entities[1:])
        passes = {key.entity: page.pass_id, **self._riders}
        return [(batch, common | {"entity": batch.entity, "pass": passes[batch.entity]}) for batch in page.batches]

    def _know_riders(self, lease: Lease, pass_id: PassId, entities: Sequence[EntityName]) -> None:
        if not entities:
            return
        if self._riders_of != pass_id:
            self.rest()
            rows = self._connection.execute(page_sql.RIDERS, (lease.key.org, pass_id)).fetchall()
            self._riders = {EntityName(entity): PassId(rider) for entity, rider in rows}
            self._riders_of = pass_id
        for entity in entities:
            if entity not in self._riders:
                raise DefinitionError(f"{entity} came with a page of {lease.key}, but is no child of pass {pass_id}")

    def _send_page(self, sent: SentPage) -> None:
        """Send all statements at once, without waiting for any result."""
        lease, page, send = sent.lease, sent.page, self._send
        send("begin", b"BEGIN", {})
        send("check_lease", page_sql.CHECK_LEASE, page_parameters(lease, page))
        store_evidence(listing_of(lease, page, self._tables), send)
        for batch, known in sent.batches:
            sent.stored.append(store_records(batch, batch.records, known, send) if batch.records else None)
            resolve_letters(batch.records, page.replayed, known, send)
            store_rejections(batch.rejected, page, known, send)
            report_unreadable(batch, known, send)
        store_evidence(evidence_of(lease, page, self._tables), send)
        note_erased(sent.erased, lease, send)
        send("advance", page_sql.ADVANCE, progress_parameters(lease, page))
        sent.committed = send("commit", b"COMMIT", {})
        self._pipeline.flush()

    def _commit_apart(self, sent: SentPage) -> dict[EntityName, Counts]:
        """Store the page in one transaction as well, but find the records that the database refuses."""
        lease, page, send = sent.lease, sent.page, self._send_alone
        counts: dict[EntityName, Counts] = {}
        self._step("begin")
        with self._connection.transaction():
            send("check_lease", page_sql.CHECK_LEASE, page_parameters(lease, page))
            store_evidence(listing_of(lease, page, self._tables), send)
            for batch, known in sent.batches:
                stored, refused = self._store_some(batch, batch.records, known)
                left_out = {bad.external_id for bad in refused}
                kept = [record for record in batch.records if record.external_id not in left_out]
                resolve_letters(kept, page.replayed, known, send)
                rejected = (*batch.rejected, *_as_letters(refused, page.replayed))
                store_rejections(rejected, page, known, send)
                report_unreadable(batch, known, send)
                counts[batch.entity] = stored + Counts(dead=len(rejected))
            store_evidence(evidence_of(lease, page, self._tables), send)
            note_erased(sent.erased, lease, send)
            send("advance", page_sql.ADVANCE, progress_parameters(lease, page))
            self._step("commit")
        self._step("committed")
        return counts

    def _store_some(
        self, batch: MappedBatch, records: Sequence[Record], known: Parameters
    ) -> tuple[Counts, list[Rejection]]:
        """Store what the database accepts, halving refused batches until each bad record is alone."""
        if not records:
            return Counts(), []
        try:
            with self._connection.transaction():
                return count_changes(len(records), store_records(batch, records, known, self._send_alone)), []
        except _RECORDS_OWN_FAULT as error:
            if len(records) == 1 and batch.table is not None:
                return Counts(), [batch.reject(records[0].external_id, describe_refusal(batch.table, error))]
        middle = len(records) // 2
        first, first_bad = self._store_some(batch, records[:middle], known)
        second, second_bad = self._store_some(batch, records[middle:], known)
        return first + second, first_bad + second_bad

    def _send(self, step: str, statement: bytes, parameters: Parameters) -> StatementResult:
        if self._on_step is not None:
            self._pipeline.catch_up()
        self._step(step)
        return self._pipeline.send(statement, parameters)

    def _send_alone(self, step: str, statement: bytes, parameters: Parameters) -> StatementResult:
        """Send one statement and wait for its answer."""
        self._step(step)
        found = self._connection.execute(statement, parameters)
        return StatementResult(found.fetchone() if found.description else None)

    def _step(self, step: str) -> None:
        if self._on_step is not None:
            self._on_step(step)


def _as_letters(refused: Sequence[Rejection], replayed: ReplayedLetters | None) -> Sequence[Rejection]:
    """Return the rejections of replayed records under the ids of the letters that they are."""
    if replayed is None:
        return refused
    return [replace(bad, external_id=letter) for bad in refused for letter in replayed.became[bad.external_id]]
