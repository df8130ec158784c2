"""Log the progress of a pass, without personal data."""

import logging
from collections.abc import Callable
from time import monotonic

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.engine.passes.pass_runner import PassProgress

SECONDS_BETWEEN_LINES = 5.0
"""Each line of Dagster's log is a row in its database; one every few seconds is enough for a person."""


class ProgressLog:
    """Logs a line about a pass every few seconds."""

    def __init__(self, log: logging.Logger, entity: EntityName, clock: Callable[[], float] = monotonic) -> None:
        """Start the timer."""
        self._log = log
        self._entity = entity
        self._clock = clock
        self._last_line = clock()

    def __call__(self, progress: PassProgress) -> None:
        """Log a line if the last one is old enough."""
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
