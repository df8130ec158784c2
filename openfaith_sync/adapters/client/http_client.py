"""The pooled HTTP client of one connection: keeps to the rate limit and retries temporary failures."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar

import httpx

from openfaith_sync.adapters.client.account import AccountGuard
from openfaith_sync.adapters.client.allowed_requests import AllowedRequests
from openfaith_sync.adapters.client.auth import Authorization, RequestAuth
from openfaith_sync.adapters.client.breaker_signals import BreakerSignals
from openfaith_sync.adapters.client.classification import (
    ClassifiedResponse,
    CredentialsRenewed,
    NotProcessed,
    RateLimited,
    RequestStats,
    build_error,
    classify,
)
from openfaith_sync.adapters.client.outcomes import (
    REDIRECT_NOT_FOUND,
    decide_failure,
)
from openfaith_sync.adapters.client.request_limits import DEFAULT_LIMITS, RequestLimits
from openfaith_sync.adapters.client.transport import MAX_REDIRECTS, Request, SourceTransport
from openfaith_sync.adapters.client.wait_time import WaitTime
from openfaith_sync.adapters.ports.answer_reader import AnswerReader
from openfaith_sync.adapters.ports.shared_state import Breaker, Ledger
from openfaith_sync.adapters.ratelimit.budget_share import BudgetExhausted, LedgerUnreachable
from openfaith_sync.adapters.ratelimit.pacing import RateLimiter
from openfaith_sync.adapters.ratelimit.rate_limit_headers import parse_limit, parse_retry_after
from openfaith_sync.domain.errors import (
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
ATTEMPTS_BEFORE_REDUCING = 2
"""For a request that the caller can make smaller: one retry is enough for a brief failure."""
MAX_RETRY_TIME = timedelta(minutes=10)
PROBE_PATIENCE = timedelta(seconds=30)
"""How long a reachability check waits for the rate limit budget."""
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0


class HttpClient:
    """Sends requests to one source with one set of credentials. Thread-safe."""

    def __init__(
        self,
        base_url: str,
        authorization: Authorization,
        adapter: AdapterFile,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,  # between two attempts, in a thread with nothing else to do
        attempts: int | None = None,
        patience: timedelta | None = None,
        bounds: RequestLimits = DEFAULT_LIMITS,
        ledger: Ledger | None = None,
        lane: Lane = Lane.INTERACTIVE,
        breaker: Breaker | None = None,
        account: AccountGuard | None = None,
        allowed: AllowedRequests,
        answers: AnswerReader,
    ) -> None:
        """Open the pool; nothing is sent yet.

        A request is attempted up to ``attempts`` times (``MAX_ATTEMPTS`` by default), within ``patience``
        (``MAX_RETRY_TIME`` by default). A rate-limited response does not count as an attempt: the client
        waits for the budget. ``pause`` sleeps between two attempts, in a thread that has nothing else to
        do; tests pass one that returns at once. Without a ``ledger``, the client assumes that no other
        process uses the connection. Without an ``account`` guard, responses from any account of the source
        are accepted. Requests that are not ``allowed`` are rejected. ``answers`` reads errors and accounts
        from responses, as the dialect states them.
        """
        self._attempts = attempts or MAX_ATTEMPTS
        self._adapter = adapter
        self._pause = pause
        self._patience = MAX_RETRY_TIME if patience is None else patience
        self._rate_limiter = RateLimiter(adapter, ledger, lane)
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._authorization = authorization
        self._transport = SourceTransport(base_url, adapter, transport, bounds, answers.media_type)
        self._account, self._allowed, self._answers = account, allowed, answers
        self._verify = Request(adapter.auth.verify, adapter.auth.verify_parameters)
        self._breaker = BreakerSignals(breaker, self._verify, self._check_reachable)
        self._lock = threading.Lock()
        self._wait_time = WaitTime()
        self.requests = 0

    def __enter__(self) -> Self:
        """Use as a context that closes the pool."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the pool, and return unused slots to the budget."""
        self._transport.close()
        self._rate_limiter.close()

    def read(self, request: Request, parse: Callable[[httpx.Response], T]) -> tuple[T, RequestStats]:
        """Return the parsed successful response, with the number of requests and the time waited.

        A response that ``parse`` finds malformed counts as a temporary failure. A POST is retried only if the
        source certainly did not process it; otherwise the caller must find out whether it took effect.

        Raises:
            SourceAway: The source is known to be unreachable; nothing was sent.
            PageNotServed: The source failed on the request, and may serve a smaller one.
            TransientError: Every attempt failed, or the time limit was reached.
            ReconnectRequired: The source rejected the credentials.
            DefinitionError: The request is wrong, denied or not allowed, or its target does not exist.
        """
        self._allowed.require(request)
        with self._breaker.reporting(request):
            if self._account is not None and self._account.needs_first_check and request is not self._verify:
                self._verify_account()
            try:
                return self._read_with_retries(request, parse)
            except NotFoundAtSource:
                self._confirm_not_found(request)
                raise

    def check_account(self, stated: Iterable[AccountId]) -> None:
        """Check that a response belongs to the connection's account or states none; called for every response.

        Raises:
            AnotherAccount: The response belongs to another account of the source.
        """
        if self._account is not None:
            self._account.check(stated)

    def verify(self, parse: Callable[[httpx.Response], T]) -> T:
        """Return the parsed response to the credential check, which states whom the credentials belong to."""
        return self.read(self._verify, parse)[0]

    def _read_with_retries(self, request: Request, parse: Callable[[httpx.Response], T]) -> tuple[T, RequestStats]:
        stats, failed = RequestStats(), 0
        refusal: RateLimited | None = None
        deadline = time.monotonic() + self._patience.total_seconds()
        while True:
            try:
                self._breaker.admit()
                classified = self._send_following_redirects(request, stats, deadline)
                return self._parse(parse, classified.response, classified.auth), stats
            except CredentialsRenewed:
                if time.monotonic() > deadline:
                    raise
            except RateLimited as error:
                # Every process now pauses; wait for the next slot.
                refusal = error
            except BudgetExhausted as error:
                raise refusal or error from None
            except (LedgerUnreachable, SourceAway):
                # Another attempt would not help; the caller retries later.
                raise
            except TransientError as error:
                failed += 1
                if failed >= self._max_attempts(request, error, stats) or not (
                    request.is_repeatable or isinstance(error, NotProcessed)
                ):
                    raise
                seconds = self._backoff(failed, error.retry_after)
                if time.monotonic() + seconds > deadline:
                    raise
                began = time.monotonic()
                self._pause(seconds)
                stats.waited += self._wait_time.add(began, time.monotonic())

    def _parse(self, parse: Callable[[httpx.Response], T], response: httpx.Response, auth: RequestAuth) -> T:
        try:
            return parse(response)
        except AnotherAccount as error:
            try:
                self._authorization.invalidate(auth, str(error))
            except ReconnectRequired:
                raise error from None
            # The org was reconnected in the meantime.
            raise CredentialsRenewed(str(error)) from None

    def _confirm_not_found(self, request: Request) -> None:
        """Check that a "not found" can be trusted: credentials of another account would find nothing either.

        Raises:
            AnotherAccount: The credentials belong to another account.
            SourceFailed: The credential check itself was answered with "not found".
        """
        if self._account is None or request is self._verify or not self._account.needs_check():
            return
        try:
            self._verify_account()
        except NotFoundAtSource as error:
            raise SourceFailed(f"{error}; its 'not found' responses do not count as deletions") from None

    def _verify_account(self) -> None:
        """Request the source's account, and compare it with the connection's."""
        self._read_with_retries(self._verify, lambda response: self.check_account(self._answers.accounts_in(response)))
        if self._account is not None:
            self._account.note_checked()

    def _max_attempts(self, request: Request, error: TransientError, stats: RequestStats) -> int:
        """Return how often to attempt a request after this error; fewer times if a smaller one can be sent."""
        if not isinstance(error, PageNotServed):
            return self._attempts
        error.requests = stats.requests
        # The same request would return as many bytes again, or take as long.
        would_repeat = isinstance(error, AnswerTooLarge) or isinstance(error.__cause__, httpx.TimeoutException)
        few = min(self._attempts, ATTEMPTS_BEFORE_REDUCING)
        if not request.is_reducible:
            return few if isinstance(error, AnswerTooLarge) else self._attempts
        return 1 if would_repeat else few

    def _check_reachable(self, request: Request) -> None:
        """Check whether the source responds, without retries."""
        self._send_following_redirects(
            request, RequestStats(), time.monotonic() + min(self._patience, PROBE_PATIENCE).total_seconds()
        )

    def _send_following_redirects(self, request: Request, stats: RequestStats, deadline: float) -> ClassifiedResponse:
        """Return the successful response to a request, following redirects.

        Each redirect takes a slot of the budget, as every request does.
        """
        current = request
        for _ in range(MAX_REDIRECTS + 1):
            classified = self._send(current, stats, deadline)
            redirected = self._transport.follow(current, classified.response)
            if redirected is None:
                self._raise_for_error(request, classified, is_sent_on=current is not request)
                self._authorization.note_accepted(classified.auth)
                return classified
            current = redirected
        raise DefinitionError(
            f"{self._adapter.title} redirects {request.method} {request.path} more than {MAX_REDIRECTS} times"
        )

    def _send(self, request: Request, stats: RequestStats, deadline: float) -> ClassifiedResponse:
        permit = self._rate_limiter.take(deadline, is_deep=request.is_deep)
        now = time.monotonic()
        stats.waited += self._wait_time.add(now - permit.waited.total_seconds(), now)
        stats.requests += 1
        with self._lock:
            self.requests += 1
        try:
            # After the wait for a slot, so that credentials renewed in the meantime are used.
            auth = self._authorization.current()
            response = self._transport.send(request, auth)
        except Exception as error:
            permit.lost()
            ours = self._connection_error(request, error)
            if ours is None:
                raise
            raise ours from error
        stated = parse_limit(response.headers, self._adapter.rate_limit)
        outcome = classify(response, self._answers, self._adapter)
        if outcome is not None and outcome.action is ErrorAction.WAIT:
            permit.refused(stated, parse_retry_after(response.headers, self._adapter.rate_limit.retry_after_header))
        else:
            permit.answered(stated)
        return ClassifiedResponse(response, auth, outcome)

    def _raise_for_error(self, request: Request, classified: ClassifiedResponse, *, is_sent_on: bool) -> None:
        response, auth, outcome = classified.response, classified.auth, classified.outcome
        if outcome is None:
            return
        if is_sent_on and outcome.action is ErrorAction.NOT_FOUND:
            outcome = REDIRECT_NOT_FOUND
        if outcome.action not in {ErrorAction.RETRY, ErrorAction.REDUCE_PAGE}:
            self._breaker.note_response()
        endpoint = f"{request.method} {request.path}"
        message = f"{self._adapter.title} answered {response.status_code} to {endpoint}: {outcome.message}"
        wait = parse_retry_after(response.headers, self._adapter.rate_limit.retry_after_header)
        if outcome.action is ErrorAction.WAIT:
            raise RateLimited(message, retry_after=wait)
        if outcome.action is ErrorAction.REFRESH:
            self._authorization.renew(auth, message)
            raise CredentialsRenewed(message)
        if outcome.action is ErrorAction.RECONNECT:
            self._authorization.invalidate(auth, message)
            raise CredentialsRenewed(message)
        raise build_error(outcome, message, wait)

    def _connection_error(self, request: Request, error: Exception) -> SyncError | None:
        outcome = decide_failure(error)
        if outcome is None:
            return None
        target = f"{self._adapter.title} at {self._transport.host} for {request.method} {request.path}"
        reason = self._transport.explain(error) or outcome.message
        return build_error(outcome, f"could not reach {target}: {reason} ({type(error).__name__})")

    def _backoff(self, attempts: int, retry_after: timedelta | None) -> float:
        """Return the seconds before the next attempt: full jitter below a doubling ceiling, on top of Retry-After."""
        ceiling = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempts)
        minimum = retry_after.total_seconds() if retry_after else 0.0
        return minimum + self._random.uniform(0, FIRST_BACKOFF_SECONDS if minimum else ceiling)
