"""One pooled HTTP client for one connection: asks within the budget, tries again what may heal."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar

import httpx

from openfaith_sync.adapters.auth import Authorization, Proof
from openfaith_sync.adapters.bounds import BOUNDS, Bounds
from openfaith_sync.adapters.budget import Budget
from openfaith_sync.adapters.outcomes import ERROR_OF_ACTION, Outcome, decide, decide_failure
from openfaith_sync.adapters.stated import parse_limit, parse_retry_after
from openfaith_sync.adapters.wire import MAX_REDIRECTS, Request, Wire
from openfaith_sync.domain.adapter_file import AdapterFile, ErrorAction
from openfaith_sync.domain.errors import DefinitionError, SyncError, TransientError

T = TypeVar("T")

MAX_ATTEMPTS = 6
MAX_TRYING = timedelta(minutes=10)
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0


class NotTaken(TransientError):
    """The source surely did nothing about the request: it never got it, or refused it for its rate."""


class Renewed(NotTaken):
    """The source refused a proof of ours, and there is another one now."""


@dataclass(slots=True)
class Effort:
    """What answering one call took."""

    requests: int = 0
    waited: timedelta = timedelta()


class HttpClient:
    """Asks one source with one credential. Safe to use from several threads."""

    def __init__(
        self,
        base_url: str,
        authorization: Authorization,
        adapter: AdapterFile,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        attempts: int | None = None,
        bounds: Bounds = BOUNDS,
    ) -> None:
        """Open the pool; nothing is sent yet.

        A request is tried ``MAX_ATTEMPTS`` times unless told otherwise. ``pause`` waits between
        two tries, in a thread that has nothing else to do; tests pass one that does not wait.
        """
        self._attempts = attempts or MAX_ATTEMPTS
        self._adapter = adapter
        self._pause = pause
        rate = adapter.rate_limit
        self._budget = Budget(rate.assumed_limit, timedelta(seconds=rate.assumed_period_seconds))
        deep = adapter.paging.deep_offset
        self._deep = Budget(deep.requests, timedelta(seconds=deep.period_seconds)) if deep else None
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._authorization = authorization
        self._wire = Wire(base_url, adapter, transport, bounds)
        self._lock = threading.Lock()
        self.requests = 0

    def __enter__(self) -> Self:
        """Use as a context that closes the pool."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the pool."""
        self._wire.close()

    def read(self, request: Request, parse: Callable[[httpx.Response], T]) -> tuple[T, Effort]:
        """Give what ``parse`` makes of a success, and what it took.

        An answer that ``parse`` finds malformed counts as a failure that may heal. A POST is
        tried again only when the source surely did nothing: whether it did is for the caller to find out.

        Raises:
            TransientError: Every attempt failed, or the time for them ran out.
            ReconnectRequired: The source refuses the credentials.
            DefinitionError: The request is wrong, denied, or asks for what is not there.
        """
        effort, renewals = Effort(), 0
        deadline = time.monotonic() + MAX_TRYING.total_seconds()
        while True:
            try:
                return parse(self._ask_to_the_end(request, effort)), effort
            except Renewed:
                if time.monotonic() > deadline:
                    raise
                renewals += 1
            except TransientError as error:
                is_repeatable = request.is_repeatable or isinstance(error, NotTaken)
                if effort.requests - renewals >= self._attempts or not is_repeatable:
                    raise
                seconds = self._backoff(effort.requests, error.retry_after)
                if time.monotonic() + seconds > deadline:
                    raise
                effort.waited += timedelta(seconds=seconds)
                self._pause(seconds)

    def _ask_to_the_end(self, request: Request, effort: Effort) -> httpx.Response:
        """Give the success that a request leads to; each step on the way is a request like any other."""
        asked = request
        for _ in range(MAX_REDIRECTS + 1):
            response, proof = self._ask(asked, effort)
            further = self._wire.follow(asked, response)
            if further is None:
                self._raise_for_error(request, proof, response)
                self._authorization.note_accepted(proof)
                return response
            asked = further
        raise DefinitionError(
            f"{self._adapter.title} redirects {request.method} {request.path} more than {MAX_REDIRECTS} times"
        )

    def _ask(self, request: Request, effort: Effort) -> tuple[httpx.Response, Proof]:
        budgets = [self._deep, self._budget] if request.is_deep and self._deep else [self._budget]
        slots = [budget.take() for budget in budgets]
        effort.waited += sum((slot.waited for slot in slots), timedelta())
        effort.requests += 1
        with self._lock:
            self.requests += 1
        try:
            # Only now: whoever waited for a slot finds what was renewed meanwhile.
            proof = self._authorization.prove()
            response = self._wire.send(request, proof.header)
        except Exception as error:
            for budget in budgets:
                budget.lose()
            ours = self._unreachable(request, error)
            if ours is None:
                raise
            raise ours from error
        # The source counts deep requests apart, so their headers speak of that limit and not of the common one.
        stated = parse_limit(response.headers, self._adapter.rate_limit)
        budgets[0].learn(slots[0], stated.limit, stated.period, stated.count)
        for budget, slot in zip(budgets[1:], slots[1:], strict=True):
            budget.learn(slot, None, None, None)
        return response, proof

    def _raise_for_error(self, request: Request, proof: Proof, response: httpx.Response) -> None:
        if response.is_success:
            return
        outcome = decide(response.status_code, response.text[:4096], self._adapter.errors)
        if outcome is None:
            return
        asked = f"{request.method} {request.path}"
        message = f"{self._adapter.title} answered {response.status_code} to {asked}: {outcome.message}"
        wait = parse_retry_after(response.headers.get(self._adapter.rate_limit.retry_after_header))
        if outcome.action is ErrorAction.WAIT and wait is not None:
            self._budget.close(wait)
        if outcome.action is ErrorAction.REFRESH:
            self._authorization.renew(proof, message)
            raise Renewed(message)
        if outcome.action is ErrorAction.RECONNECT:
            self._authorization.end(proof, message)
            raise Renewed(message)
        raise _error(outcome, message, wait)

    def _unreachable(self, request: Request, error: Exception) -> SyncError | None:
        outcome = decide_failure(error)
        if outcome is None:
            return None
        asked = f"{request.method} {request.path}"
        whom = f"could not reach {self._adapter.title} at {self._wire.host} for {asked}"
        return _error(outcome, f"{whom}: {outcome.message} ({type(error).__name__})")

    def _backoff(self, attempts: int, retry_after: timedelta | None) -> float:
        """Full jitter below a doubling ceiling, but never less than the source asked for."""
        ceiling = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempts)
        asked = retry_after.total_seconds() if retry_after else 0.0
        return asked + self._random.uniform(0, ceiling if not asked else FIRST_BACKOFF_SECONDS)


def _error(outcome: Outcome, message: str, retry_after: timedelta | None = None) -> SyncError:
    kind = ERROR_OF_ACTION[outcome.action]
    if issubclass(kind, TransientError):
        return (NotTaken if outcome.is_untaken else kind)(message, retry_after=retry_after)
    return kind(message)
