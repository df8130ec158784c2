"""How people's visits to pages are admitted: few at a time, and few with invalid links from one address."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from openfaith_sync.domain.errors import NotAuthorized
from openfaith_sync.web.limits import ServerLimits
from openfaith_sync.web.responses import retry_later
from openfaith_sync.web.token_buckets import TokenBuckets, address_key

_MAX_CONCURRENT = 4
RETRY_SECONDS = 5
# Headers that mark requests made without a person, by browsers and link previews (Fetch standard, Sec-Purpose).
_PURPOSE_HEADERS = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_WORDS = ("prefetch", "prerender", "preview")


class PageVisits:
    """The visits to one page. Used from one event loop."""

    def __init__(self, limits: ServerLimits, invalid: Response) -> None:
        """Answer every invalid link with this response."""
        self._refused = TokenBuckets(limits.refused_burst, limits.refused_per_second)
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)
        self._invalid = invalid

    async def admit(self, request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        """Return the answer to a visit; one with an invalid link counts against its address."""
        client = address_key(request.client.host if request.client else None)
        wait_seconds = self._refused.seconds_until_free(client)
        if wait_seconds:
            return retry_later(429, wait_seconds)
        # What a browser fetches ahead, it requests again when a person opens the page.
        if self._slots.locked() or _is_prefetch(request):
            return retry_later(503, RETRY_SECONDS)
        async with self._slots:
            try:
                return await answer(request)
            except NotAuthorized:
                self._refused.take(client)
                return self._invalid


def _is_prefetch(request: Request) -> bool:
    """Return whether a browser requested this page ahead, in case a person will open it."""
    purposes = " ".join(request.headers.get(name, "") for name in _PURPOSE_HEADERS).lower()
    return any(word in purposes for word in _PREFETCH_WORDS)
