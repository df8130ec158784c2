"""One pooled HTTP client for one connection: asks within the budget, tries again what may heal."""

import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.metadata import version
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import urlencode

import httpx

from openfaith_sync.adapters.budget import Budget
from openfaith_sync.adapters.outcomes import ERROR_OF_ACTION, decide
from openfaith_sync.domain.adapter_file import AdapterFile, ErrorAction
from openfaith_sync.domain.errors import MalformedAnswer, TransientError

T = TypeVar("T")

USER_AGENT = f"openfaith-sync/{version('openfaith-sync')} (+https://github.com/fold-dev/openfaith)"
TIMEOUT = httpx.Timeout(60, connect=10, pool=None)
MAX_ATTEMPTS = 6
MAX_TRYING = timedelta(minutes=10)
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request below the connection's base URL."""

    path: str
    parameters: Mapping[str, str | int]
    api_version: str | None = None
    is_deep: bool = False
    """Whether it counts against the stricter limit for deep offsets."""
    method: Literal["GET", "POST", "PATCH", "DELETE"] = "GET"
    body: bytes | None = None
    """JSON."""

    @property
    def is_repeatable(self) -> bool:
        """Say whether it does no more when the source gets it twice (RFC 9110 9.2.2; our PATCHes set values)."""
        return self.method != "POST"


class NotTaken(TransientError):
    """The source surely did nothing about the request: it never got it, or refused it for its rate."""


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
        authorization: str,
        adapter: AdapterFile,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        attempts: int | None = None,
    ) -> None:
        """Open the pool; nothing is sent yet.

        A request is tried ``MAX_ATTEMPTS`` times unless told otherwise. ``pause`` waits between
        two tries, in a thread that has nothing else to do; tests pass one that does not wait.
        """
        self._attempts = attempts or MAX_ATTEMPTS
        self._base_url = base_url.rstrip("/")
        self._adapter = adapter
        self._pause = pause
        rate = adapter.rate_limit
        self._budget = Budget(rate.assumed_limit, timedelta(seconds=rate.assumed_period_seconds))
        deep = adapter.paging.deep_offset
        self._deep = Budget(deep.requests, timedelta(seconds=deep.period_seconds)) if deep else None
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        in_flight = adapter.paging.pages_in_flight
        self._client = httpx.Client(
            headers={"Authorization": authorization, "User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=TIMEOUT,
            verify=_trust(),
            limits=httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight),
            transport=transport,
            follow_redirects=False,
        )
        self._lock = threading.Lock()
        self.requests = 0

    def __enter__(self) -> Self:
        """Use as a context that closes the pool."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the pool."""
        self._client.close()

    def read(self, request: Request, parse: Callable[[httpx.Response], T]) -> tuple[T, Effort]:
        """Give what ``parse`` makes of a success, and what it took.

        An answer that ``parse`` finds malformed counts as a failure that may heal. A POST is
        tried again only when the source surely did nothing: whether it did is for the caller to find out.

        Raises:
            TransientError: Every attempt failed, or the time for them ran out.
            ReconnectRequired: The source refuses the credentials.
            DefinitionError: The request is wrong, denied, or asks for what is not there.
        """
        effort = Effort()
        deadline = time.monotonic() + MAX_TRYING.total_seconds()
        while True:
            try:
                return parse(self._ask(request, effort)), effort
            except TransientError as error:
                if effort.requests >= self._attempts or not (request.is_repeatable or isinstance(error, NotTaken)):
                    raise
                seconds = self._backoff(effort.requests, error.retry_after)
                if time.monotonic() + seconds > deadline:
                    raise
                effort.waited += timedelta(seconds=seconds)
                self._pause(seconds)

    def _ask(self, request: Request, effort: Effort) -> httpx.Response:
        budgets = [self._deep, self._budget] if request.is_deep and self._deep else [self._budget]
        slots = [budget.take() for budget in budgets]
        effort.waited += sum((slot.waited for slot in slots), timedelta())
        effort.requests += 1
        with self._lock:
            self.requests += 1
        try:
            response = self._send(request)
        except httpx.RequestError as error:
            for budget in budgets:
                budget.lose()
            kind = NotTaken if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else TransientError
            raise kind(self._unreachable(request, error)) from error
        # The source counts deep requests apart, so their headers speak of that limit and not of the common one.
        stated = self._stated(response)
        budgets[0].learn(slots[0], *stated)
        for budget, slot in zip(budgets[1:], slots[1:], strict=True):
            budget.learn(slot, None, None, None)
        self._raise_for_error(request, response)
        return response

    def _send(self, request: Request) -> httpx.Response:
        headers = {self._adapter.version_header: request.api_version} if request.api_version else {}
        url = self._base_url + request.path
        if request.parameters:
            url += "?" + urlencode(request.parameters)
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        return self._client.request(request.method, url, headers=headers, content=request.body)

    def _stated(self, response: httpx.Response) -> tuple[int | None, timedelta | None, int | None]:
        """Give the limit, its period and the count so far, as the answer states them."""
        rate = self._adapter.rate_limit
        seconds = leading_integer(response.headers.get(rate.period_header))
        return (
            leading_integer(response.headers.get(rate.limit_header)),
            timedelta(seconds=seconds) if seconds else None,
            leading_integer(response.headers.get(rate.count_header)),
        )

    def _raise_for_error(self, request: Request, response: httpx.Response) -> None:
        if response.is_success:
            return
        rule = decide(response.status_code, response.text[:4096], self._adapter.errors)
        if rule is None:
            return
        asked = f"{request.method} {request.path}"
        message = f"{self._adapter.title} answered {response.status_code} to {asked}: {rule.message}"
        error = ERROR_OF_ACTION[rule.action]
        if issubclass(error, TransientError):
            wait = parse_retry_after(response.headers.get(self._adapter.rate_limit.retry_after_header))
            if rule.action is ErrorAction.WAIT and wait is not None:
                self._budget.close(wait)
            kind = NotTaken if rule.action is ErrorAction.WAIT else error
            raise kind(message, retry_after=wait)
        raise error(message)

    def _unreachable(self, request: Request, error: httpx.RequestError) -> str:
        host = httpx.URL(self._base_url).netloc.decode()
        asked = f"{request.method} {request.path}"
        return f"could not reach {self._adapter.title} at {host} for {asked}: {type(error).__name__}"

    def _backoff(self, attempts: int, retry_after: timedelta | None) -> float:
        """Full jitter below a doubling ceiling, but never less than the source asked for."""
        ceiling = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempts)
        asked = retry_after.total_seconds() if retry_after else 0.0
        return asked + self._random.uniform(0, ceiling if not asked else FIRST_BACKOFF_SECONDS)


@cache
def _trust() -> ssl.SSLContext:
    """Read the certificates of the authorities once: it takes 30 ms."""
    return httpx.create_ssl_context()


def leading_integer(text: str | None) -> int | None:
    """Give the number a header begins with: the period is ``20`` on the wire, ``20 seconds`` in the documents."""
    digits = ""
    for character in (text or "").strip():
        if not character.isdecimal():
            break
        digits += character
    return int(digits) if digits else None


def parse_retry_after(text: str | None) -> timedelta | None:
    """Give how long the source asks us to wait, from seconds or an HTTP date (RFC 9110 10.2.3)."""
    seconds = leading_integer(text)
    if seconds is None and text:
        try:
            seconds = int((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError):
            return None
    # A lying header must not park a connection for days.
    return None if seconds is None else timedelta(seconds=min(max(seconds, 0), 3600))


def parse_json_object(response: httpx.Response, loads: Callable[[bytes], object]) -> dict[str, object]:
    """Give the JSON object of a success.

    Raises:
        MalformedAnswer: The body is not JSON, or not an object.
    """
    kind = response.headers.get("content-type", "")
    if "json" not in kind:
        raise MalformedAnswer(f"the source answered {response.status_code} with {kind or 'no content type'}, not JSON")
    try:
        found = loads(response.content)
    except ValueError as error:
        raise MalformedAnswer(f"the source answered with {len(response.content)} bytes of broken JSON") from error
    if not isinstance(found, dict):
        raise MalformedAnswer(f"the source answered with a JSON {type(found).__name__}, expected an object")
    return found
