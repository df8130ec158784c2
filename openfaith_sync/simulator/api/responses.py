"""Responses: status, headers, body, and the source's error bodies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import orjson

JSON_API = "application/vnd.api+json; charset=utf-8"
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


class ResponseEnding(StrEnum):
    """How the response ends."""

    WHOLE = "whole"
    CUT = "cut"
    """The connection closes in the middle of a body with a Content-Length."""
    CUT_CHUNKED = "cut_chunked"
    """The connection closes in the middle of a chunked body, before the last chunk."""
    RESET = "reset"
    """The connection is reset in the middle of the body."""
    NOTHING = "nothing"
    """The connection is reset before anything is sent."""


@dataclass(frozen=True, slots=True)
class SimulatedResponse:
    """One response of the simulator."""

    status: int
    body: bytes = b""
    content_type: str = JSON_API
    count: int = 0
    """The number of primary records in it."""
    headers: dict[str, str] = field(default_factory=dict)
    header_values: Mapping[str, str | None] = field(default_factory=dict)
    """False values for its rate limit headers."""
    delay_seconds: float = 0
    ending: ResponseEnding = ResponseEnding.WHOLE
    drip_seconds: float = 0
    """Seconds between two of the ``DRIPS`` parts of the body; 0 sends it at once."""


_TITLES = {
    400: ("Bad Request", "Your request could not be processed"),
    401: ("Unauthorized", "This request could not be authenticated. Error Code Hint: (CAPUCHIN)"),
    402: ("Payment Required", "Your subscription does not include this product"),
    403: ("Forbidden", "You do not have access to this resource"),
    404: ("Not Found", "The resource you requested could not be found"),
    410: ("Gone", "The resource you requested is gone"),
    429: ("Too Many Requests", "Rate limit exceeded"),
    500: (
        "Internal Server Error",
        (
            "An internal server error occurred on our end and we've been notified. "
            "Please contact support if the issue persists."
        ),
    ),
    503: ("Service Unavailable", "Planning Center is down for maintenance"),
}


def error(status: int, detail: str | None = None, code: str | None = None, **headers: str) -> SimulatedResponse:
    """Return the source's JSON error for a status."""
    title, usual = _TITLES.get(status, ("Error", "Error"))
    problem = {"status": str(status), "title": title} | ({"code": code} if code else {}) | {"detail": detail or usual}
    return SimulatedResponse(status, orjson.dumps({"errors": [problem]}), JSON, headers=headers)


def hint(code: str) -> SimulatedResponse:
    """Return the response to a valid credential that does not suffice, with the word that says why."""
    return error(401, f"This request could not be authenticated. Error Code Hint: ({code})", "unauthorized")


def refused_credentials() -> SimulatedResponse:
    """Return the response to wrong credentials, which is not JSON."""
    challenge = {"www-authenticate": 'Basic realm="Application"', "cache-control": "no-cache"}
    return SimulatedResponse(401, b"HTTP Basic: Access denied.\n", HTML, headers=challenge)


def page_not_found() -> SimulatedResponse:
    """Return the HTML page for a route that does not exist."""
    return html(404, "404", "The page you were looking for doesn't exist.")


def html(status: int, title: str, text: str) -> SimulatedResponse:
    """Return an HTML page."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{text}</h1></body></html>\n"
    return SimulatedResponse(status, page.encode(), HTML)


def invalid(detail: str, parameter: str, resource: str) -> SimulatedResponse:
    """Return the response to a write with an invalid parameter."""
    problem = {"detail": detail, "status": "422", "title": "Validation Error", "source": {"parameter": parameter}}
    body = {"errors": [problem | {"meta": {"resource": resource}}]}
    return SimulatedResponse(422, orjson.dumps(body), JSON)
