"""One log line for each sync of an entity: what it did, or why it failed. No value of a record is in it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.log_context import log_context
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.webhooks.inbox import RecordsResult

_LOG = logging.getLogger("openfaith_sync.passes")


@contextmanager
def logged_sync(key: SyncKey, mode: SyncMode, run_id: str | None) -> Iterator[None]:
    """Add the sync to each line that is logged inside the block, and log the error that ends it."""
    with log_context(org=key.org, adapter=key.adapter, entity=key.entity, run_id=run_id):
        try:
            yield
        except SyncError as error:
            # No more than information: whoever called this reports it.
            failed = {"mode": mode.value, "error": type(error).__name__}
            _LOG.info("%s: %s sync failed: %s", key, mode.value, error, extra=failed)
            raise


def log_result(result: PassResult) -> None:
    """Log what a complete pass did."""
    counts = asdict(result.counts)
    figures = {
        "mode": result.mode.value,
        "counts": counts,
        "pages": result.pages,
        "requests": result.requests,
        "seconds": round(result.duration.total_seconds(), 3),
    }
    _LOG.info(
        "%s: %s pass complete: %s",
        result.key,
        result.mode.value,
        ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "no changes",
        extra={"pass_id": result.pass_id, **figures},
    )


def log_records(key: SyncKey, result: RecordsResult) -> None:
    """Log what the processing of an inbox did, where it did anything."""
    if result.events:
        figures = {"mode": SyncMode.RECORD.value, "events": result.events, "records": result.records}
        _LOG.info(
            "%s/%s: processed %d events about %d records; %d events wait",
            key.org,
            key.adapter,
            result.events,
            result.records,
            result.waiting,
            extra={**figures, "requests": result.requests, "waiting": result.waiting},
        )
