"""What the body of a success must be before anything is read from it."""

from collections.abc import Callable

import httpx

from openfaith_sync.domain.errors import MalformedAnswer


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
