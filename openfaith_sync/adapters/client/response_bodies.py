"""Parses the bodies of successful responses as JSON."""

import httpx

from openfaith_sync.adapters.client.lenient_json import parse_json
from openfaith_sync.domain.errors import MalformedAnswer


def parse_json_object(response: httpx.Response) -> dict[str, object]:
    """Return the JSON object of a successful response.

    Raises:
        MalformedAnswer: The body is not JSON, or not an object.
    """
    found = parse_json_body(response)
    if not isinstance(found, dict):
        raise MalformedAnswer(f"the source answered with a JSON {type(found).__name__}, expected an object")
    return found


def parse_json_body(response: httpx.Response) -> object:
    """Return the JSON value of a successful response.

    Raises:
        MalformedAnswer: The body is not JSON.
    """
    kind = response.headers.get("content-type", "")
    # Media types compare without case (RFC 9110 section 8.3.1).
    if "json" not in kind.lower():
        raise MalformedAnswer(f"the source answered {response.status_code} with {kind or 'no content type'}, not JSON")
    try:
        return parse_json(response.content)
    except ValueError as error:
        raise MalformedAnswer(f"the source answered with {len(response.content)} bytes of broken JSON") from error
