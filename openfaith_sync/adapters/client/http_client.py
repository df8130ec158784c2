"""One pooled HTTP client for one connection: asks within the budget, tries again what may heal."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar

import httpx

from openfaith_sync.adapters.client.account import AccountGuard
from openfaith_sync.adapters.client.allowed_requests import AllowedRequests
from openfaith_sync.adapters.client.auth import Authorization, Proof
from openfaith_sync.adapters.client.breaker_signals import Watch
from openfaith_sync.adapters.client.outcomes import (
    ERROR_OF_ACTION,
    NOT_THE_SOURCES_OWN,
    SENT_ON_TO_NOTHING,
    Outcome,
    decide,
    decide_failure,
    is_sources_own,
)
from openfaith_sync.adapters.client.request_limits import BOUNDS, Bounds
from openfaith_sync.adapters.client.transport import MAX_REDIRECTS, Request, Wire
from openfaith_sync.adapters.client.wait_time import HeldBack
from openfaith_sync.adapters.ports.answer_reader import AnswerReader
from openfaith_sync.adapters.ports.shared_state import Breaker, Ledger
from openfaith_sync.adapters.ratelimit.budget_share import BudgetUsedUp, LedgerUnreachable
from openfaith_sync.adapters.ratelimit.pacing import Pace
from openfaith_sync.adapters.ratelimit.rate_limit_headers import parse_limit, parse_retry_after
from openfaith_sync.domain.errors import (
    AccessDenied,
    AnotherAccount,
    AnswerTooLarge,
    DefinitionError,
    NotFoundAtSource,
    PageNotServed,
    ReconnectRequired,
    SourceAway,
    SourceFailed,
    SyncError,
    TransientError,
)
from openfaith_sync.domain.ids import AccountId
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.error_rules import ErrorAction
from openfaith_sync.domain.ratelimit.lanes import Lane

T = TypeVar("T")

MAX_ATTEMPTS = 6
TRIES_BEFORE_LESS = 2
"""Of a request that the caller can make smaller: one retry outlasts a hiccup."""
MAX_TRYING = timedelta(minutes=10)
PATIENCE_TO_TELL = timedelta(seconds=30)
"""For the budget, when all that is asked is whether anybody answers."""
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0


class NotTaken(TransientError):
    """The source surely did nothing about the request: it never got it, or refused it for its rate."""


class RateRefused(NotTaken):
    """The source wants no request for a while; all processes were told."""


class Unreached(NotTaken, SourceFailed):
    """No connection was made."""


class Renewed(NotTaken):
    """The source refused a proof of ours, and there is another one now."""


@dataclass(slots=True)
class Effort:
    """What answering one call took."""

    requests: int = 0
    waited: timedelta = timedelta()
    """What it adds to the wall time at which the client was held back; other requests may have waited with it."""


@dataclass(frozen=True, slots=True)
class Received:
    """One response, the proof that its request carried, and what to do about it."""

    response: httpx.Response
    proof: Proof
    outcome: Outcome | None
    """``None`` for a success."""


class HttpClient:
    """Asks one source with one credential. Safe to use from several threads."""

    def __init__(
        self,
        base_url: str,
        authorization: Authorization,
        adapter: AdapterFile,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,  # between two tries, in a thread with nothing else to do
        attempts: int | None = None,
        patience: timedelta | None = None,
        bounds: Bounds = BOUNDS,
        ledger: Ledger | None = None,
        lane: Lane = Lane.INTERACTIVE,
        breaker: Breaker | None = None,
        account: AccountGuard | None = None,
        allowed: AllowedRequests,
        answers: AnswerReader,
    ) -> None:
        """Open the pool; nothing is sent yet.

        A request is tried ``MAX_ATTEMPTS`` times unless told otherwise, and no longer than
        ``patience`` lasts, or ``MAX_TRYING``. To be refused for the rate is no attempt: it is
        waited for, as the budget is. ``pause`` waits between two tries, in a thread that has
        nothing else to do; tests pass one that does not wait. Without a ``ledger`` nobody else
        is thought to use the connection. Without an ``account`` guard, answers of any account of the
        source are accepted. Requests that are not ``allowed`` are refused; ``answers`` reads what the dialect
        states of errors and accounts.
        """
        self._attempts = attempts or MAX_ATTEMPTS
        self._adapter = adapter
        self._pause = pause
        self._patience = MAX_TRYING if patience is None else patience
        self._pace = Pace(adapter, ledger, lane)
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._authorization = authorization
        self._wire = Wire(base_url, adapter, transport, bounds, answers.media_type)
        self._account, self._allowed, self._answers = account, allowed, answers
        self._verify = Request(adapter.auth.verify, adapter.auth.verify_parameters)
        self._watch = Watch(breaker, self._verify, self._ask_once)
        self._lock = threading.Lock()
        self._held_back = HeldBack()
        self.requests = 0

    def __enter__(self) -> Self:
        """Use as a context that closes the pool."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the pool, and give back what is left of the budget."""
        self._wire.close()
        self._pace.close()

    def read(self, request: Request, parse: Callable[[httpx.Response], T]) -> tuple[T, Effort]:
        """Return what ``parse`` makes of a success, and what it took.

        An answer that ``parse`` finds malformed counts as a failure that may heal. A POST is
        tried again only when the source surely did nothing: whether it did is for the caller to find out.

        Raises:
            SourceAway: The source is known to be away; nothing was sent.
            PageNotServed: The source failed on the request, and may serve a smaller one.
            TransientError: Every attempt failed, or the time for them ran out.
            ReconnectRequired: The source refuses the credentials.
            DefinitionError: The request is wrong, denied, not allowed, or asks for what is not there.
        """
        self._allowed.require(request)
        with self._watch.over(request):
            if self._account is not None and self._account.wants_first_proof and request is not self._verify:
                self._prove_account()
            try:
                return self._try(request, parse)
            except NotFoundAtSource:
                self._require_account(request)
                raise

    def check_account(self, stated: Iterable[AccountId]) -> None:
        """Return if an answer is of the connection's account, or states none; asked of every answer.

        Raises:
            AnotherAccount: The source answered for another of its accounts than the connection's.
        """
        if self._account is not None:
            self._account.check(stated)

    def verify(self, parse: Callable[[httpx.Response], T]) -> T:
        """Return what ``parse`` makes of the source's statement of whom the credentials belong to."""
        return self.read(self._verify, parse)[0]

    def _try(self, request: Request, parse: Callable[[httpx.Response], T]) -> tuple[T, Effort]:
        effort, failed = Effort(), 0
        refusal: RateRefused | None = None
        deadline = time.monotonic() + self._patience.total_seconds()
        while True:
            try:
                self._watch.admit()
                received = self._ask_to_the_end(request, effort, deadline)
                return self._parse(parse, received.response, received.proof), effort
            except Renewed:
                if time.monotonic() > deadline:
                    raise
            except RateRefused as error:
                # The budget is closed for everybody now: the next slot is worth waiting for.
                refusal = error
            except BudgetUsedUp as error:
                raise refusal or error from None
            except (LedgerUnreachable, SourceAway):
                # Nothing that the next try would change: whoever called tries again later.
                raise
            except TransientError as error:
                failed += 1
                if failed >= self._attempts_at(request, error, effort) or not (
                    request.is_repeatable or isinstance(error, NotTaken)
                ):
                    raise
                seconds = self._backoff(failed, error.retry_after)
                if time.monotonic() + seconds > deadline:
                    raise
                began = time.monotonic()
                self._pause(seconds)
                effort.waited += self._held_back.add(began, time.monotonic())

    def _parse(self, parse: Callable[[httpx.Response], T], response: httpx.Response, proof: Proof) -> T:
        try:
            return parse(response)
        except AnotherAccount as error:
            try:
                self._authorization.end(proof, str(error))
            except ReconnectRequired:
                raise error from None
            # Somebody connected the org again meanwhile.
            raise Renewed(str(error)) from None

    def _require_account(self, request: Request) -> None:
        """Return if a "not found" may be believed: credentials of another account would find nothing either.

        Raises:
            AnotherAccount: They are of another account.
            SourceFailed: The source does not find its own statement of whom they belong to.
        """
        if self._account is None or request is self._verify or not self._account.wants_proof():
            return
        try:
            self._prove_account()
        except NotFoundAtSource as error:
            raise SourceFailed(f"{error}; nothing that it does not find is taken for gone") from None

    def _prove_account(self) -> None:
        """Have the source state its account, and compare it with the connection's."""
        self._try(self._verify, lambda response: self.check_account(self._answers.accounts_in(response)))
        if self._account is not None:
            self._account.note_proof()

    def _attempts_at(self, request: Request, error: TransientError, effort: Effort) -> int:
        """Return how often a request is sent that fails so; fewer where a smaller one can be sent instead."""
        if not isinstance(error, PageNotServed):
            return self._attempts
        error.requests = effort.requests
        # The same request would bring as many bytes again, or take as long.
        is_the_same_again = isinstance(error, AnswerTooLarge) or isinstance(error.__cause__, httpx.TimeoutException)
        if not request.is_reducible:
            return min(self._attempts, TRIES_BEFORE_LESS) if isinstance(error, AnswerTooLarge) else self._attempts
        return 1 if is_the_same_again else min(self._attempts, TRIES_BEFORE_LESS)

    def _ask_once(self, request: Request) -> None:
        """Find out whether anything answers, without another try."""
        self._ask_to_the_end(
            request, Effort(), time.monotonic() + min(self._patience, PATIENCE_TO_TELL).total_seconds()
        )

    def _ask_to_the_end(self, request: Request, effort: Effort, deadline: float) -> Received:
        """Return the success that a request leads to.

        Each step on the way is a request like any other.
        """
        asked = request
        for _ in range(MAX_REDIRECTS + 1):
            received = self._ask(asked, effort, deadline)
            further = self._wire.follow(asked, received.response)
            if further is None:
                self._raise_for_error(request, received, is_sent_on=asked is not request)
                self._authorization.note_accepted(received.proof)
                return received
            asked = further
        raise DefinitionError(
            f"{self._adapter.title} redirects {request.method} {request.path} more than {MAX_REDIRECTS} times"
        )

    def _ask(self, request: Request, effort: Effort, deadline: float) -> Received:
        ticket = self._pace.take(deadline, is_deep=request.is_deep)
        now = time.monotonic()
        effort.waited += self._held_back.add(now - ticket.waited.total_seconds(), now)
        effort.requests += 1
        with self._lock:
            self.requests += 1
        try:
            # Only now: whoever waited for a slot finds what was renewed meanwhile.
            proof = self._authorization.prove()
            response = self._wire.send(request, proof)
        except Exception as error:
            ticket.lost()
            ours = self._unreachable(request, error)
            if ours is None:
                raise
            raise ours from error
        stated = parse_limit(response.headers, self._adapter.rate_limit)
        outcome = self._decide(response)
        if outcome is not None and outcome.action is ErrorAction.WAIT:
            ticket.refused(stated, parse_retry_after(response.headers, self._adapter.rate_limit.retry_after_header))
        else:
            ticket.answered(stated)
        return Received(response, proof, outcome)

    def _decide(self, response: httpx.Response) -> Outcome | None:
        error = self._answers.stated_error(response)
        if response.is_success and error is None:
            return None
        # What charset the answer claims to be in may be wrong, or none at all.
        said = response.content[:4096].decode(errors="replace")
        outcome = decide(response.status_code, said, self._adapter.errors, error)
        if outcome is None or outcome.action is not ErrorAction.NOT_FOUND or response.is_success:
            return outcome
        expected = self._adapter.not_found
        return outcome if expected is not None and is_sources_own(response, expected) else NOT_THE_SOURCES_OWN

    def _raise_for_error(self, request: Request, received: Received, *, is_sent_on: bool) -> None:
        response, proof, outcome = received.response, received.proof, received.outcome
        if outcome is None:
            return
        if is_sent_on and outcome.action is ErrorAction.NOT_FOUND:
            outcome = SENT_ON_TO_NOTHING
        if outcome.action not in {ErrorAction.RETRY, ErrorAction.REDUCE_PAGE}:
            self._watch.answered()
        asked = f"{request.method} {request.path}"
        message = f"{self._adapter.title} answered {response.status_code} to {asked}: {outcome.message}"
        wait = parse_retry_after(response.headers, self._adapter.rate_limit.retry_after_header)
        if outcome.action is ErrorAction.WAIT:
            raise RateRefused(message, retry_after=wait)
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
        why = self._wire.explain(error) or outcome.message
        return _error(outcome, f"{whom}: {why} ({type(error).__name__})")

    def _backoff(self, attempts: int, retry_after: timedelta | None) -> float:
        """Full jitter below a doubling ceiling, but never less than the source asked for."""
        ceiling = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempts)
        asked = retry_after.total_seconds() if retry_after else 0.0
        return asked + self._random.uniform(0, ceiling if not asked else FIRST_BACKOFF_SECONDS)


def _error(outcome: Outcome, message: str, retry_after: timedelta | None = None) -> SyncError:
    kind = ERROR_OF_ACTION[outcome.action]
    if issubclass(kind, AccessDenied):
        return kind(message, outcome.remedy)
    if outcome.remedy:
        message = f"{message}; {outcome.remedy}"
    if not issubclass(kind, TransientError):
        return kind(message)
    if outcome.is_untaken:
        kind = Unreached
    return kind(message, retry_after=retry_after)
