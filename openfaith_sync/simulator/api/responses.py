"""Answers as they leave: status, headers, body; the source's error bodies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import orjson

JSON_API = "application/vnd.api+json; charset=utf-8"
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


class Ending(StrEnum):
    """How an answer leaves."""

    WHOLE = "whole"
    CUT = "cut"
    """The connection closes in the middle of a body whose length was stated."""
    CUT_CHUNKED = "cut_chunked"
    """The same of a body whose length was not stated: no last chunk."""
    RESET = "reset"
    """The connection is reset in the middle of the body."""
    NOTHING = "nothing"
    """The connection is reset before anything is sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON_API
    count: int = 0
    """How many records of the asked kind are in it."""
    headers: dict[str, str] = field(default_factory=dict)
    lies: Mapping[str, str | None] = field(default_factory=dict)
    """What its headers say of the limit instead of the truth."""
    delay_seconds: float = 0
    ending: Ending = Ending.WHOLE
    drip_seconds: float = 0
    """Between two parts of the body, which comes in ``DRIPS`` of them; 0 for all at once."""


_TITLES = {
    400: ("Bad Request", "Your request could not be processed"),
    401: ("Unauthorized", "This request could not be authenticated. Error Code Hint: (CAPUCHIN)"),
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


def error(status: int, detail: str | None = None, code: str | None = None, **headers: str) -> Answer:
    """Return the source's JSON error of a status."""
    title, usual = _TITLES.get(status, ("Error", "Error"))
    problem = {"status": str(status), "title": title} | ({"code": code} if code else {}) | {"detail": detail or usual}
    return Answer(status, orjson.dumps({"errors": [problem]}), JSON, headers=headers)


def refused_credentials() -> Answer:
    """Return the answer to wrong credentials, which is no JSON."""
    challenge = {"www-authenticate": 'Basic realm="Application"', "cache-control": "no-cache"}
    return Answer(401, b"HTTP Basic: Access denied.\n", HTML, headers=challenge)


def page_not_found() -> Answer:
    """Return the HTML page of a route that does not exist at all."""
    return html(404, "404", "The page you were looking for doesn't exist.")


def html(status: int, title: str, text: str) -> Answer:
    """Return a page for people."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{text}</h1></body></html>\n"
    return Answer(status, page.encode(), HTML)


def invalid(detail: str, parameter: str, resource: str) -> Answer:
    """Return the answer to a write that lacks something."""
    problem = {"detail": detail, "status": "422", "title": "Validation Error", "source": {"parameter": parameter}}
    body = {"errors": [problem | {"meta": {"resource": resource}}]}
    return Answer(422, orjson.dumps(body), JSON)
