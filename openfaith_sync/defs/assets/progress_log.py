"""Log the progress of a pass, without personal data."""

import logging
from collections.abc import Callable
from time import monotonic

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.first_sync import FirstSync
from openfaith_sync.engine.passes.pass_runner import PassProgress

SECONDS_BETWEEN_LINES = 5.0
"""Each line of Dagster's log is a row in its database; one every few seconds is enough for a person."""

SECONDS_BETWEEN_ESTIMATES = 60.0
"""An estimate asks some statements about each entity."""


class FirstSyncLog:
    """Logs every minute how far the first sync of the run's org is, and how long the rest takes."""

    def __init__(
        self,
        log: logging.Logger,
        load: Callable[[], FirstSync | None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Start the timer."""
        self._log, self._load, self._clock = log, load, clock
        self._last_line = clock()
        self._is_over = False

    def __call__(self) -> None:
        """Log a line if the last one is old enough; after the first sync, nothing any more."""
        now = self._clock()
        if self._is_over or now - self._last_line < SECONDS_BETWEEN_ESTIMATES:
            return
        self._last_line = now
        try:
            found = self._load()
        except SyncError:
            # An estimate that cannot be made now must not stop what it is about.
            return
        self._is_over = found is None
        if found is not None:
            self._log.info(str(found))


class ProgressLog:
    """Logs a line about a pass every few seconds."""

    def __init__(
        self,
        log: logging.Logger,
        entity: EntityName,
        log_first_sync: Callable[[], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Start the timer."""
        self._log = log
        self._entity = entity
        self._log_first_sync = log_first_sync
        self._clock = clock
        self._last_line = clock()

    def __call__(self, progress: PassProgress) -> None:
        """Log a line if the last one is old enough."""
        self._log_first_sync()
        now = self._clock()
        if now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        self._log.info(describe(self._entity, progress))


def describe(entity: EntityName, progress: PassProgress) -> str:
    """Return one line about the progress of a pass."""
    of_total = f" of {progress.total:,}" if progress.total is not None else ""
    waited = progress.waited.total_seconds()
    return (
        f"{entity}: {progress.records:,}{of_total} records read in {progress.pages:,} pages"
        f" and {progress.requests:,} requests; waited {waited:.0f} s for the rate limit and retries"
    )
