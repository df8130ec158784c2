"""Waits between the attempts of entities that failed temporarily."""

import logging
from collections.abc import Callable, Sequence
from threading import Event

from openfaith_sync.defs.resources.error_translation import BACKOFF, seconds_to_wait
from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import AdapterName
from openfaith_sync.engine.org_sync import EntityOutcome


class Retries:
    """Waits as long as the sources ask, and at most ``BACKOFF.max_retries`` times."""

    def __init__(
        self,
        log: logging.Logger,
        adapter: AdapterName,
        wait: Callable[[float], object] = lambda seconds: Event().wait(seconds),
    ) -> None:
        """Begin with no retries."""
        self._log = log
        self._adapter = adapter
        self._wait = wait
        self._retries = 0

    def __call__(self, failed: Sequence[EntityOutcome]) -> bool:
        """Wait, and return true; return false at once if there were enough retries."""
        if self._retries >= BACKOFF.max_retries:
            return False
        errors = {one.entity: one.error for one in failed if isinstance(one.error, TransientError)}
        seconds = max(seconds_to_wait(error, self._retries) for error in errors.values())
        self._retries += 1
        for text in dict.fromkeys(map(str, errors.values())):
            names = ", ".join(f"{self._adapter}/{name}" for name, error in errors.items() if str(error) == text)
            self._log.warning(
                "%s: %s; retry %s of %s in %.0f s", names, text, self._retries, BACKOFF.max_retries, seconds
            )
        self._wait(seconds)
        return True
