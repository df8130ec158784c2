"""Tells a run's log how far a pass is, without a word about anybody."""

import logging
from collections.abc import Callable
from time import monotonic

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.engine.passes.pass_runner import PassProgress

SECONDS_BETWEEN_LINES = 5.0
"""A line of Dagster's log is a row in its database; one every so often is enough for a person."""


class ProgressLog:
    """Writes a line about a pass every few seconds."""

    def __init__(self, log: logging.Logger, entity: EntityName, clock: Callable[[], float] = monotonic) -> None:
        """Count the time from now on."""
        self._log = log
        self._entity = entity
        self._clock = clock
        self._last_line = clock()

    def __call__(self, progress: PassProgress) -> None:
        """Write a line when the last one is old enough."""
        now = self._clock()
        if now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        self._log.info(describe(self._entity, progress))


def describe(entity: EntityName, progress: PassProgress) -> str:
    """Say how far a pass is, in one line."""
    of_total = f" of {progress.total:,}" if progress.total is not None else ""
    waited = progress.waited.total_seconds()
    return (
        f"{entity}: {progress.records:,}{of_total} records read in {progress.pages:,} pages"
        f" and {progress.requests:,} requests; held back {waited:.0f} s by the rate limit and retries"
    )
