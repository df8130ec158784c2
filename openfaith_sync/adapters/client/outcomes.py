"""What to do about every answer, every lack of one, and every body: one table in three parts.

The words are close to those of Airbyte's connector kit, so that a manifest can be read by who knows it:

| our action     | Airbyte's ResponseAction | its failure type | becomes           |
|----------------|--------------------------|------------------|-------------------|
| retry          | RETRY                    | transient_error  | SourceFailed      |
| wait           | RATE_LIMITED             | transient_error  | TransientError    |
| reduce_page    | REDUCE_PAGE_SIZE         | transient_error  | PageNotServed     |
| refresh        | REFRESH_TOKEN_THEN_RETRY | config_error     | ReconnectRequired |
| reconnect      | FAIL                     | config_error     | ReconnectRequired |
| disable_entity | FAIL of one stream       | config_error     | AccessDenied      |
| not_found      | IGNORE                   |                  | NotFoundAtSource  |
| dead_letter    | none: the row is lost    |                  | RecordRejected    |
| stop           | FAIL                     | system_error     | DefinitionError   |

``reduce_page`` is what may come of the size of a page, of what it includes, or of one record on it: a listing
is then read in smaller parts (``engine/passes/page_reading.py``), and any other request is retried.
``refresh`` becomes an error only where the credentials have nothing to get a new token with, or
the new one was refused too. Our IGNORE is narrower: that one record is not there is evidence, that
a listing is not there is a failure. An answer is evidence only in the shape that the manifest declares
under ``not_found``; in any other shape it is a failure that may heal (``SourceFailed``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
import orjson

from openfaith_sync.adapters.ports.answer_reader import StatedError
from openfaith_sync.domain.errors import (
    AccessDenied,
    DefinitionError,
    NotFoundAtSource,
    PageNotServed,
    ReconnectRequired,
    RecordRejected,
    SourceFailed,
    SyncError,
    TransientError,
)
from openfaith_sync.domain.manifest.error_rules import ErrorAction, ErrorRule, NotFoundAnswer

ERROR_OF_ACTION: Mapping[ErrorAction, type[SyncError]] = {
    ErrorAction.RETRY: SourceFailed,
    ErrorAction.WAIT: TransientError,
    ErrorAction.REDUCE_PAGE: PageNotServed,
    ErrorAction.REFRESH: ReconnectRequired,
    ErrorAction.RECONNECT: ReconnectRequired,
    ErrorAction.DISABLE_ENTITY: AccessDenied,
    ErrorAction.NOT_FOUND: NotFoundAtSource,
    ErrorAction.DEAD_LETTER: RecordRejected,
    ErrorAction.STOP: DefinitionError,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is done, and what a person is told."""

    action: ErrorAction
    message: str
    is_untaken: bool = False
    """The source surely did nothing: it never got the request, or refused it for its rate."""
    remedy: str = ""
    """What a person can do about it."""


_SUCCESS = range(200, 300)
_RETRY, _REDUCE, _STOP = ErrorAction.RETRY, ErrorAction.REDUCE_PAGE, ErrorAction.STOP

# What an adapter's manifest does not name (RFC 9110 15): the narrowest range that holds the status decides.
BY_STATUS: Mapping[range, Outcome] = {
    range(100, 200): Outcome(_RETRY, "the source sent no final answer"),
    range(300, 400): Outcome(_STOP, "the source redirects; check the connection's base URL"),
    range(400, 500): Outcome(_STOP, "the source refused the request"),
    range(500, 600): Outcome(_REDUCE, "the source failed on its side"),
    range(401, 402): Outcome(ErrorAction.REFRESH, "the credentials were refused; connect the org again"),
    range(402, 404): Outcome(ErrorAction.DISABLE_ENTITY, "the credentials may not read this"),
    range(404, 405): Outcome(ErrorAction.NOT_FOUND, "the source has no such record or endpoint"),
    range(407, 408): Outcome(_STOP, "the proxy on the way wants a login; put user:password@ into its URL"),
    range(408, 409): Outcome(_RETRY, "the source waited too long for the request"),
    range(410, 411): Outcome(ErrorAction.NOT_FOUND, "the record is gone at the source"),
    range(421, 422): Outcome(_RETRY, "the request reached another server than it was for"),
    range(425, 426): Outcome(_RETRY, "the source did not want the request so early"),
    range(429, 430): Outcome(ErrorAction.WAIT, "the rate limit was exceeded", is_untaken=True),
}

# A success that states an error which no row of the manifest names.
REFUSED_IN_BODY = Outcome(_STOP, "the source refused the request in its answer")

# Never evidence that a record is gone: what is not there is the place that we were sent on to.
SENT_ON_TO_NOTHING = Outcome(_RETRY, "the source redirects to what is not there")

# Nor is a 404 that something on the way answers: a proxy, a gateway without a route, a page for people.
NOT_THE_SOURCES_OWN = Outcome(_RETRY, "the answer is not the source's own; something on the way may have sent it")

# The nearest class decides. The rest of httpx's errors are mistakes of ours: they pass through.
BY_TRANSPORT: Mapping[type[Exception], Outcome] = {
    httpx.RequestError: Outcome(_RETRY, "the request failed"),
    httpx.ConnectError: Outcome(_RETRY, "no connection was made", is_untaken=True),
    httpx.ConnectTimeout: Outcome(_RETRY, "no connection was made in time", is_untaken=True),
    httpx.PoolTimeout: Outcome(_RETRY, "no connection was free in time", is_untaken=True),
    httpx.ProxyError: Outcome(_RETRY, "the proxy on the way refused", is_untaken=True),
    httpx.ReadTimeout: Outcome(_REDUCE, "the answer did not come in time"),
    httpx.WriteTimeout: Outcome(_RETRY, "the request was not taken in time"),
    httpx.ReadError: Outcome(_REDUCE, "the connection broke during the answer"),
    httpx.WriteError: Outcome(_RETRY, "the connection broke during the request"),
    httpx.CloseError: Outcome(_RETRY, "the connection broke at its end"),
    httpx.RemoteProtocolError: Outcome(_REDUCE, "the answer was cut short or no HTTP"),
    httpx.DecodingError: Outcome(_REDUCE, "the answer could not be decompressed"),
    httpx.TooManyRedirects: Outcome(_STOP, "the source redirects without end"),
    httpx.LocalProtocolError: Outcome(_STOP, "the request cannot be written as HTTP; check the connection"),
    httpx.UnsupportedProtocol: Outcome(_STOP, "the base URL is not one of http or https; check the connection"),
    httpx.InvalidURL: Outcome(_STOP, "the base URL cannot be read; check the connection"),
}


def decide(status: int, body: str, rules: Sequence[ErrorRule], error: StatedError | None = None) -> Outcome | None:
    """Return what is done about an answer, the manifest's rows first; ``None`` when it is a success.

    ``error`` is what the body states; with it, no status is a success.
    """
    if status in _SUCCESS and error is None:
        return None
    for rule in rules:
        if (
            rule.status == status
            and (rule.contains is None or rule.contains in body)
            and (rule.code is None or (error is not None and rule.code == error.code))
        ):
            return Outcome(rule.action, rule.message, rule.action is ErrorAction.WAIT, rule.remedy)
    if status in _SUCCESS:
        return REFUSED_IN_BODY
    held_by = [span for span in BY_STATUS if status in span]
    return BY_STATUS[min(held_by, key=len)] if held_by else Outcome(_STOP, "the source answered with no HTTP status")


def is_sources_own(response: httpx.Response, expected: NotFoundAnswer) -> bool:
    """Return whether a "not found" has the media type and the error body of the source itself."""
    if expected.key is None and response.content:
        return False
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {known.lower() for known in expected.media_types}:
        return False
    if expected.key is None:
        return True
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return False
    return isinstance(body, dict) and bool(body.get(expected.key))


def decide_failure(error: Exception) -> Outcome | None:
    """Return what is done about the lack of an answer; ``None`` for what nobody planned for."""
    return next((BY_TRANSPORT[kind] for kind in type(error).__mro__ if kind in BY_TRANSPORT), None)
