"""Tells the breaker what became of each request: answered, or nobody there."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.ports.shared_state import Breaker
from openfaith_sync.domain.errors import SourceFailed, SyncError


class Watch:
    """Watches over the requests of one client; without a breaker it lets all pass."""

    def __init__(self, breaker: Breaker | None, cheapest: Request, ask: Callable[[Request], object]) -> None:
        """Ask the cheapest of all requests, by ``ask``, where one failure does not tell enough."""
        self._breaker, self._cheapest, self._ask = breaker, cheapest, ask

    def admit(self) -> None:
        """Let a try go out.

        Raises:
            SourceAway: The source is away.
        """
        if self._breaker is not None:
            self._breaker.admit()

    def answered(self) -> None:
        """Note that somebody is there, whatever was said."""
        if self._breaker is not None:
            self._breaker.note_answer()

    @contextmanager
    def over(self, request: Request) -> Iterator[None]:
        """Note what comes of a request, all its tries together."""
        if self._breaker is None:
            yield
            return
        began = time.monotonic()
        try:
            yield
        except SourceFailed as error:
            lasted = timedelta(seconds=time.monotonic() - began)
            if self._breaker.note_failure(_name(request), str(error), lasted):
                self._tell_apart(self._breaker, lasted)
            raise
        else:
            self._breaker.note_answer()
        finally:
            self._breaker.end_probe()

    def _tell_apart(self, breaker: Breaker, lasted: timedelta) -> None:
        """Tell a source that is away from a request that it cannot answer."""
        try:
            self._ask(self._cheapest)
        except SourceFailed as error:
            breaker.note_failure(_name(self._cheapest), str(error), lasted)
        except SyncError:
            # A refusal was noted as the answer that it is; the budget's trouble says nothing of the source.
            return
        else:
            breaker.note_answer()


def _name(request: Request) -> str:
    """Return a short name that is the request's own, and tells nothing of it."""
    asked = f"{request.method} {request.path} {sorted(request.parameters.items())}"
    return hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()
