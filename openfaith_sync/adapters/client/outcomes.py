"""Decides how every response and every transport error is handled, in one table.

The actions are close to those of Airbyte's CDK, so that its users can read a manifest:

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

``reduce_page`` is for failures that the size of a page, its included records or one record on it may cause:
a listing is then read in smaller pages (``engine/passes/page_reading.py``), and any other request is retried.
``refresh`` becomes an error only if the credentials cannot be renewed, or if the new token was rejected too.
``not_found`` is narrower than IGNORE: a missing record is evidence that it was deleted, but a missing listing
is a failure. A response is evidence only if it matches what the manifest declares under ``not_found``;
otherwise it is a temporary failure (``SourceFailed``).
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
    """An action, and the message for a person."""

    action: ErrorAction
    message: str
    is_unprocessed: bool = False
    """The source certainly did not process the request: it never received it, or rejected it with a rate limit."""
    remedy: str = ""
    """What a person can do about it."""


_SUCCESS = range(200, 300)
_RETRY, _REDUCE, _STOP = ErrorAction.RETRY, ErrorAction.REDUCE_PAGE, ErrorAction.STOP

# Statuses that an adapter's manifest does not name (RFC 9110 15): the narrowest range that contains one decides.
BY_STATUS: Mapping[range, Outcome] = {
    range(100, 200): Outcome(_RETRY, "the source sent no final response"),
    range(300, 400): Outcome(_STOP, "the source redirects; check the connection's base URL"),
    range(400, 500): Outcome(_STOP, "the source refused the request"),
    range(500, 600): Outcome(_REDUCE, "the source failed on its side"),
    range(401, 402): Outcome(ErrorAction.REFRESH, "the credentials were refused; connect the org again"),
    range(402, 404): Outcome(ErrorAction.DISABLE_ENTITY, "the credentials may not read this"),
    range(404, 405): Outcome(ErrorAction.NOT_FOUND, "the source has no such record or endpoint"),
    range(407, 408): Outcome(_STOP, "the proxy requires a login; add user:password@ to its URL"),
    range(408, 409): Outcome(_RETRY, "the source timed out waiting for the request"),
    range(410, 411): Outcome(ErrorAction.NOT_FOUND, "the record is gone at the source"),
    range(421, 422): Outcome(_RETRY, "the request reached the wrong server"),
    range(425, 426): Outcome(_RETRY, "the source rejected the request as too early"),
    range(429, 430): Outcome(ErrorAction.WAIT, "the rate limit was exceeded", is_unprocessed=True),
}

# A response with a success status that states an error which no row of the manifest names.
ERROR_IN_BODY = Outcome(_STOP, "the source responded with an error")

# No evidence that a record was deleted: only the target of the redirect does not exist.
REDIRECT_NOT_FOUND = Outcome(_RETRY, "the source redirects to a page that does not exist")

# Neither is a 404 from a proxy, from a gateway without a route, or from a web page.
FOREIGN_NOT_FOUND = Outcome(_RETRY, "the response is not the source's own; a proxy or gateway may have sent it")

# The nearest class decides. All other httpx errors are bugs in this code, and are not caught.
BY_TRANSPORT: Mapping[type[Exception], Outcome] = {
    httpx.RequestError: Outcome(_RETRY, "the request failed"),
    httpx.ConnectError: Outcome(_RETRY, "no connection was made", is_unprocessed=True),
    httpx.ConnectTimeout: Outcome(_RETRY, "no connection was made in time", is_unprocessed=True),
    httpx.PoolTimeout: Outcome(_RETRY, "no connection was free in time", is_unprocessed=True),
    httpx.ProxyError: Outcome(_RETRY, "the proxy refused the connection", is_unprocessed=True),
    httpx.ReadTimeout: Outcome(_REDUCE, "the response did not arrive in time"),
    httpx.WriteTimeout: Outcome(_RETRY, "the request could not be sent in time"),
    httpx.ReadError: Outcome(_REDUCE, "the connection broke during the response"),
    httpx.WriteError: Outcome(_RETRY, "the connection broke during the request"),
    httpx.CloseError: Outcome(_RETRY, "the connection broke while closing"),
    httpx.RemoteProtocolError: Outcome(_REDUCE, "the response was cut short or is not HTTP"),
    httpx.DecodingError: Outcome(_REDUCE, "the response could not be decompressed"),
    httpx.TooManyRedirects: Outcome(_STOP, "the source redirects endlessly"),
    httpx.LocalProtocolError: Outcome(_STOP, "the request cannot be written as HTTP; check the connection"),
    httpx.UnsupportedProtocol: Outcome(_STOP, "the base URL is neither http nor https; check the connection"),
    httpx.InvalidURL: Outcome(_STOP, "the base URL is not valid; check the connection"),
}


def decide(status: int, body: str, rules: Sequence[ErrorRule], error: StatedError | None = None) -> Outcome | None:
    """Return how to handle a response, by the manifest's rows first; ``None`` if it is a success.

    ``error`` is the error that the body states, if any; a response with one is never a success.
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
        return ERROR_IN_BODY
    ranges = [span for span in BY_STATUS if status in span]
    return BY_STATUS[min(ranges, key=len)] if ranges else Outcome(_STOP, "the source sent an invalid HTTP status")


def is_sources_own(response: httpx.Response, expected: NotFoundAnswer) -> bool:
    """Return whether a "not found" has the media type and the error body that the source itself sends."""
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
    """Return how to handle a transport error; ``None`` for an error that is not in the table."""
    return next((BY_TRANSPORT[kind] for kind in type(error).__mro__ if kind in BY_TRANSPORT), None)
