"""Commits a page: its records, links, dead letters, counts and place, whole or not at all (law 1)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
import psycopg

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import RECORDS, EntityName
from openfaith_sync.domain.passes import Counts, Lease, PageCommit, PassId
from openfaith_sync.domain.record import MappedBatch, Record, Rejection
from openfaith_sync.store import page_sql
from openfaith_sync.store.evidence_rows import evidence_of, listing_of
from openfaith_sync.store.page_rows import (
    Parameters,
    newest_each,
    progress_parameters,
    record_parameters,
    refused_record,
    rejection_parameters,
)
from openfaith_sync.store.rows import Connection

COMMIT_STEPS = (
    "begin",
    "check_lease",
    "note_listed",
    "store_records",
    "store_dead_letters",
    "tombstone",
    "note_parent",
    "settle_events",
    "note_report",
    "advance",
    "commit",
    "committed",
)
"""What ``on_step`` is told: before each statement its name, and "committed" after the last.

``store_records``, ``store_dead_letters`` and ``tombstone`` come once for each entity that needs them,
``note_parent`` once for each parent.
"""

OnStep = Callable[[str], None]
Answer = psycopg.Cursor[tuple[Any, ...]]

# What one record alone can cause. Everything else is everybody's failure.
_RECORDS_OWN_FAULT = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    orjson.JSONEncodeError,
    UnicodeError,
)


class PageWriter:
    """Commits pages over one connection.

    All statements of a page travel together and are answered together, so a page
    costs one round trip. The lease check comes first, and when it fails the server
    skips the rest.
    """

    def __init__(self, connection: Connection, on_step: OnStep | None) -> None:
        """Write over this connection; with ``on_step``, wait for each statement's answer before the next."""
        self._connection = connection
        self._on_step = on_step
        self._riders_of: PassId | None = None
        self._riders: dict[EntityName, PassId] = {}

    def commit(self, lease: Lease, page: PageCommit) -> Mapping[EntityName, Counts]:
        """Store the page; a record that the database itself refuses becomes a dead letter (law 5)."""
        told = self._told_of_batches(lease, page)
        try:
            return self._commit_together(lease, page, told)
        except _RECORDS_OWN_FAULT:
            self._roll_back()
            return self._commit_apart(lease, page, told)
        except BaseException:
            # Ctrl-C and a test's stop too: the connection must not keep a half-sent page open. Raised again below.
            self._roll_back()
            raise

    def _told_of_batches(self, lease: Lease, page: PageCommit) -> list[tuple[MappedBatch, Parameters]]:
        """Give each batch with what its statements are told: whose it is, and the pass that counts it."""
        key, entities = lease.key, [batch.entity for batch in page.batches]
        if key.entity == RECORDS:
            common = {"org": key.org, "adapter": key.adapter, "pass": page.pass_id}
            return [(batch, common | {"entity": batch.entity}) for batch in page.batches]
        if entities[:1] != [key.entity] or len(set(entities)) < len(entities):
            raise DefinitionError(f"a page of {key} must begin with its own records and name each entity once")
        self._know_riders(lease, page.pass_id, entities[1:])
        passes = {key.entity: page.pass_id, **self._riders}
        return [
            (batch, {"org": key.org, "adapter": key.adapter, "entity": batch.entity, "pass": passes[batch.entity]})
            for batch in page.batches
        ]

    def _know_riders(self, lease: Lease, pass_id: PassId, entities: Sequence[EntityName]) -> None:
        if self._riders_of != pass_id:
            rows = self._connection.execute(page_sql.RIDERS, (lease.key.org, pass_id)).fetchall() if entities else []
            self._riders = {EntityName(entity): PassId(rider) for entity, rider in rows}
            self._riders_of = pass_id if entities else None
        for entity in entities:
            if entity not in self._riders:
                raise DefinitionError(
                    f"{entity} came with a page of {lease.key}, but rides along with no pass {pass_id}"
                )

    def _commit_together(
        self, lease: Lease, page: PageCommit, told: list[tuple[MappedBatch, Parameters]]
    ) -> dict[EntityName, Counts]:
        """Send everything at once; no statement's answer is known before all are."""
        answers: list[Answer | None] = []
        with self._connection.pipeline() as pipeline:
            wait = pipeline.sync if self._on_step else None
            self._send("begin", b"BEGIN", {}, wait)
            self._send("check_lease", page_sql.CHECK_LEASE, _claim(lease, page), wait)
            self._note(listing_of(lease, page), wait)
            for batch, known in told:
                answers.append(self._store(batch, batch.records, known, wait) if batch.records else None)
                self._set_aside(batch.rejected, known, wait)
            self._note(evidence_of(lease, page), wait)
            self._send("advance", page_sql.ADVANCE, progress_parameters(lease, page), wait)
            self._send("commit", b"COMMIT", {}, wait)
        self._step("committed")
        pairs = zip(page.batches, answers, strict=True)
        return {batch.entity: _count(len(batch.records), answer, len(batch.rejected)) for batch, answer in pairs}

    def _commit_apart(
        self, lease: Lease, page: PageCommit, told: list[tuple[MappedBatch, Parameters]]
    ) -> dict[EntityName, Counts]:
        """Store the page in one transaction too, but find the records that the database refuses."""
        counts: dict[EntityName, Counts] = {}
        self._step("begin")
        with self._connection.transaction():
            self._send("check_lease", page_sql.CHECK_LEASE, _claim(lease, page))
            self._note(listing_of(lease, page))
            for batch, known in told:
                stored, refused = self._store_some(batch, batch.records, known)
                rejected = (*batch.rejected, *refused)
                self._set_aside(rejected, known)
                counts[batch.entity] = stored + Counts(dead=len(rejected))
            self._note(evidence_of(lease, page))
            self._send("advance", page_sql.ADVANCE, progress_parameters(lease, page))
            self._step("commit")
        self._step("committed")
        return counts

    def _store_some(
        self, batch: MappedBatch, records: Sequence[Record], known: Parameters
    ) -> tuple[Counts, list[Rejection]]:
        """Store what can be, halving what is refused until each bad record stands alone."""
        if not records:
            return Counts(), []
        try:
            with self._connection.transaction():
                return _count(len(records), self._store(batch, records, known)), []
        except _RECORDS_OWN_FAULT as error:
            if len(records) == 1:
                return Counts(), [refused_record(records[0], batch.table, error)]
        middle = len(records) // 2
        first, first_bad = self._store_some(batch, records[:middle], known)
        second, second_bad = self._store_some(batch, records[middle:], known)
        return first + second, first_bad + second_bad

    def _store(
        self, batch: MappedBatch, records: Sequence[Record], known: Parameters, wait: Callable[[], None] | None = None
    ) -> Answer:
        parameters = record_parameters(newest_each(records)) | known | {"count": len(records)}
        return self._send("store_records", page_sql.store_records(batch.table), parameters, wait)

    def _set_aside(
        self, rejected: Sequence[Rejection], known: Parameters, wait: Callable[[], None] | None = None
    ) -> None:
        if rejected:
            parameters = rejection_parameters(rejected) | known | {"count": len(rejected)}
            self._send("store_dead_letters", page_sql.STORE_DEAD_LETTERS, parameters, wait)

    def _note(self, evidence: Iterable[tuple[str, bytes, Parameters]], wait: Callable[[], None] | None = None) -> None:
        """Store what the page listed, what it proves gone, and the events that it settles."""
        for step, statement, parameters in evidence:
            self._send(step, statement, parameters, wait)

    def _send(
        self, step: str, statement: bytes, parameters: Parameters, wait: Callable[[], None] | None = None
    ) -> Answer:
        """Send one statement; it is planned once for the connection, since the same ones come for every page."""
        if wait is not None:
            wait()
        self._step(step)
        return self._connection.execute(statement, parameters or None, prepare=bool(parameters))

    def _step(self, step: str) -> None:
        if self._on_step is not None:
            self._on_step(step)

    def _roll_back(self) -> None:
        if not self._connection.closed and not self._connection.broken:
            self._connection.rollback()


def _claim(lease: Lease, page: PageCommit) -> Parameters:
    key = lease.key
    return {
        "org": key.org,
        "adapter": key.adapter,
        "entity": key.entity,
        "token": lease.token,
        "pass": page.pass_id,
    }


def _count(records: int, answer: Answer | None, dead: int = 0) -> Counts:
    created, updated = (answer.fetchone() if answer else None) or (0, 0)
    return Counts(created=created, updated=updated, unchanged=records - created - updated, dead=dead)
