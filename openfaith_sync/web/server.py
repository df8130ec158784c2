"""Serve the application until stopped, then finish the requests in progress."""

import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync.web.app import HEADERS, build_app
from openfaith_sync.web.http_protocol import bounded_protocol
from openfaith_sync.web.inbox_writer import OnStep
from openfaith_sync.web.limits import DEFAULT_LIMITS, ServerLimits

_BACKLOG = 2048
_IDLE_SECONDS = 30
_STOP_SECONDS = 30
_EXTRA_FILES = 100


@dataclass(frozen=True, slots=True)
class Address:
    """The listening address, and the trusted proxies."""

    host: str = "127.0.0.1"
    port: int = 8790
    """0 picks a free port."""
    proxies: str = "127.0.0.1"
    """Addresses of proxies whose ``X-Forwarded-For`` is trusted, separated by commas."""


def serve(
    database: Database,
    manifests: Iterable[Manifest],
    address: Address,
    on_listening: Callable[[str], None],
    *,
    limits: ServerLimits = DEFAULT_LIMITS,
    on_step: OnStep | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; calls ``say`` with the URL once it is listening.

    Raises:
        UsageError: The address cannot be listened on.
        DefinitionError: None of the adapters has webhooks.
    """
    app = build_app(database, manifests, limits, on_step)
    _allow_files(limits.connections + _EXTRA_FILES)
    with _listening_socket(address) as listener:
        config = uvicorn.Config(
            app,
            http=bounded_protocol(limits),
            ws="none",
            lifespan="on",
            access_log=False,
            # Its warnings are about malformed requests from strangers.
            log_level="error",
            server_header=False,
            headers=list(HEADERS.items()),
            proxy_headers=True,
            forwarded_allow_ips=address.proxies,
            limit_concurrency=limits.connections,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        # uvicorn re-raises the signal that stopped it, which would end the process before the embedded
        # database is shut down.
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            _NotifyingServer(config, listener, on_listening).run(sockets=[listener])
        finally:
            signal.signal(signal.SIGTERM, before)


class _NotifyingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listener: socket.socket, on_listening: Callable[[str], None]) -> None:
        super().__init__(config)
        self._listener, self._on_listening = listener, on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self._listener.getsockname()[:2]
        self._on_listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def _listening_socket(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(f"cannot listen on {address.host}:{address.port}: {error.strerror or error}") from None


def _allow_files(wanted: int) -> None:
    """Raise the limit on open files where the system allows it; it is often 1,024."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415  Windows has none

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
