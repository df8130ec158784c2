"""Reports the result of each request to the circuit breaker."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.ports.shared_state import Breaker
from openfaith_sync.domain.errors import SourceFailed, SyncError


class BreakerSignals:
    """Reports the requests of one client to a breaker; without one, every request is admitted."""

    def __init__(self, breaker: Breaker | None, cheapest: Request, send: Callable[[Request], object]) -> None:
        """Call ``send`` with the cheapest request when one failure does not show whether the source is down."""
        self._breaker, self._cheapest, self._send = breaker, cheapest, send

    def admit(self) -> None:
        """Admit one attempt.

        Raises:
            SourceAway: The source is unreachable.
        """
        if self._breaker is not None:
            self._breaker.admit()

    def note_response(self) -> None:
        """Record that the source responded, whatever the status."""
        if self._breaker is not None:
            self._breaker.note_answer()

    @contextmanager
    def reporting(self, request: Request) -> Iterator[None]:
        """Report the result of a request, including all its retries."""
        if self._breaker is None:
            yield
            return
        began = time.monotonic()
        try:
            yield
        except SourceFailed as error:
            lasted = timedelta(seconds=time.monotonic() - began)
            if self._breaker.note_failure(_name(request), str(error), lasted):
                self._check_source(self._breaker, lasted)
            raise
        else:
            self._breaker.note_answer()
        finally:
            self._breaker.end_probe()

    def _check_source(self, breaker: Breaker, lasted: timedelta) -> None:
        """Send the cheapest request to tell an unreachable source from one that fails on a single request."""
        try:
            self._send(self._cheapest)
        except SourceFailed as error:
            breaker.note_failure(_name(self._cheapest), str(error), lasted)
        except SyncError:
            # An error status was already recorded as a response; budget errors say nothing about the source.
            return
        else:
            breaker.note_answer()


def _name(request: Request) -> str:
    """Return a hash that identifies the request without revealing it."""
    text = f"{request.method} {request.path} {sorted(request.parameters.items())}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
