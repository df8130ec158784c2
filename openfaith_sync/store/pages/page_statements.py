"""Send the statements of a page: records, dead letters, reports and evidence."""

from collections.abc import Callable, Iterable, Sequence

import orjson

from openfaith_sync.domain.dead_letters.replays import ReplayedLetters
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.passes.erasures import ErasedRecord
from openfaith_sync.domain.passes.passes import Counts, Lease, PageCommit
from openfaith_sync.domain.records.record import MappedBatch, Record, Rejection, unreadable_values
from openfaith_sync.store.erasures.erasures import NOTE_ERASED, erased_parameters
from openfaith_sync.store.pages import evidence_sql, page_sql
from openfaith_sync.store.pages.page_rows import (
    Parameters,
    kept_parameters,
    newest_each,
    record_parameters,
    rejection_parameters,
)
from openfaith_sync.store.pages.pipeline import StatementResult

Send = Callable[[str, bytes, Parameters], StatementResult]


def store_records(batch: MappedBatch, records: Sequence[Record], known: Parameters, send: Send) -> StatementResult:
    """Send the records of a batch; return how many were created and updated."""
    if batch.table is None:
        raise DefinitionError(f"the records of {batch.entity} have no table")
    parameters = record_parameters(newest_each(records)) | known | {"count": len(records)}
    return send("store_records", page_sql.store_records(batch.table), parameters)


def store_rejections(rejected: Sequence[Rejection], page: PageCommit, known: Parameters, send: Send) -> None:
    """Send the rejected records of a batch as dead letters; those that a page replays keep all but their reason."""
    if not rejected:
        return
    known = known | {"count": len(rejected), "manifest": page.manifest_versions.get(known["entity"])}
    if page.replayed is None:
        send("store_dead_letters", page_sql.STORE_DEAD_LETTERS, rejection_parameters(rejected) | known)
    else:
        send("store_dead_letters", page_sql.KEEP_DEAD_LETTERS, kept_parameters(rejected, page.replayed) | known)


def resolve_letters(records: Sequence[Record], replayed: ReplayedLetters | None, known: Parameters, send: Send) -> None:
    """Send that the letters of replayed records are resolved; other pages resolve letters with their records."""
    if replayed is None or not records:
        return
    letters = sorted({letter for record in records for letter in replayed.became[record.external_id]})
    parameters = {"ids": letters, "occurrences": [replayed.occurrences[letter] for letter in letters]}
    send("resolve_dead_letters", page_sql.RESOLVE_DEAD_LETTERS, known | parameters)


def report_unreadable(batch: MappedBatch, known: Parameters, send: Send) -> None:
    """Add the number of unreadable values to the report of the entity's pass, in total and by name."""
    found = unreadable_values(batch)
    if found:
        parameters = {"org": known["org"], "pass": known["pass"], "found": orjson.dumps(found).decode()}
        send("note_report", evidence_sql.NOTE_REPORT, parameters)


def store_evidence(evidence: Iterable[tuple[str, bytes, Parameters]], send: Send) -> None:
    """Store what the page listed, the deletions that it proves, and the events that it handles."""
    for step, statement, parameters in evidence:
        send(step, statement, parameters)


def note_erased(erased: Sequence[ErasedRecord], lease: Lease, send: Send) -> None:
    """Count what the page left out because it was erased."""
    if erased:
        parameters = {"org": lease.key.org, "adapter": lease.key.adapter, **erased_parameters(erased)}
        send("note_erased", NOTE_ERASED, parameters)


def page_parameters(lease: Lease, page: PageCommit) -> Parameters:
    """Return the parameters that all statements of a page share."""
    key = lease.key
    return {
        "org": key.org,
        "adapter": key.adapter,
        "entity": key.entity,
        "token": lease.token,
        "pass": page.pass_id,
    }


def count_changes(records: int, answer: StatementResult | None, dead: int = 0) -> Counts:
    """Return the counts of a batch from the answer of ``store_records``."""
    created, updated = (int(count) for count in (answer and answer.row) or (0, 0))
    return Counts(created=created, updated=updated, unchanged=records - created - updated, dead=dead)
