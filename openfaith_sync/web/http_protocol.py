"""uvicorn's HTTP protocol with limits on a request's head, which uvicorn itself does not limit in size or time."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from openfaith_sync.web.limits import DEFAULT_LIMITS, ServerLimits


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection if the next request's head takes too long or grows too large."""

    limits = DEFAULT_LIMITS
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection and start the timer for its first head."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Process received bytes, counting those of a head."""
        # Empty lines before a request begin no message but stop uvicorn's own timer.
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._give_up()

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._head_is_complete()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._head_is_complete()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._give_up)

    def _head_is_complete(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_is_complete()
        if not self.transport.is_closing():
            self.transport.abort()


def bounded_protocol(limits: ServerLimits) -> type[HttpToolsProtocol]:
    """Return the protocol class with these limits."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})
