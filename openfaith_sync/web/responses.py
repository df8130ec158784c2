"""The fixed responses: the same for every client, containing nothing from the request."""

from math import ceil

from starlette.responses import Response

_CLOSE = {"Connection": "close"}

# Planning Center's documentation says 200; it accepts any 2xx (docs/pco.md 4.4).
STORED = Response(status_code=200)
REFUSED = Response(status_code=401)
TOO_LARGE = Response(status_code=413, headers=_CLOSE)
TOO_SLOW = Response(status_code=408, headers=_CLOSE)
NOT_FOUND = Response(status_code=404)


def retry_later(status: int, wait_seconds: float) -> Response:
    """Return a response that asks the client to retry; never 410, which ends a subscription at once."""
    return Response(status_code=status, headers={"Retry-After": str(max(1, ceil(wait_seconds))), **_CLOSE})
