"""Serves the application until it is told to stop; then what has begun is finished."""

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
from openfaith_sync.web.inbox_writer import OnStep
from openfaith_sync.web.limits import DEFAULT_LIMITS, Limits
from openfaith_sync.web.protocol import bounded_protocol

_BACKLOG = 2048
_IDLE_SECONDS = 30
_STOP_SECONDS = 30
_FILES_BESIDE_CONNECTIONS = 100


@dataclass(frozen=True, slots=True)
class Address:
    """Where it listens, and whom it believes about where a request came from."""

    host: str = "127.0.0.1"
    port: int = 8790
    """0 takes a free one."""
    proxies: str = "127.0.0.1"
    """Addresses of proxies whose ``X-Forwarded-For`` is believed, with commas between."""


def serve(
    database: Database,
    manifests: Iterable[Manifest],
    address: Address,
    say: Callable[[str], None],
    *,
    limits: Limits = DEFAULT_LIMITS,
    on_step: OnStep | None = None,
) -> None:
    """Receive until SIGTERM or Ctrl-C; says where once it really listens.

    Raises:
        UsageError: It cannot listen there.
        DefinitionError: None of the adapters has webhooks.
    """
    app = build_app(database, manifests, limits, on_step)
    _allow_files(limits.connections + _FILES_BESIDE_CONNECTIONS)
    with _listening_socket(address) as listener:
        config = uvicorn.Config(
            app,
            http=bounded_protocol(limits),
            ws="none",
            lifespan="on",
            access_log=False,
            # Its warnings are about what strangers send.
            log_level="error",
            server_header=False,
            headers=list(HEADERS.items()),
            proxy_headers=True,
            forwarded_allow_ips=address.proxies,
            limit_concurrency=limits.connections,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        # uvicorn ends with the signal that stopped it, before the embedded database is left in order.
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            _Announcing(config, listener, say).run(sockets=[listener])
        finally:
            signal.signal(signal.SIGTERM, before)


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listener: socket.socket, say: Callable[[str], None]) -> None:
        super().__init__(config)
        self._listener, self._say = listener, say

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self._listener.getsockname()[:2]
        self._say(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def _listening_socket(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(f"cannot listen on {address.host}:{address.port}: {error.strerror or error}") from None


def _allow_files(wanted: int) -> None:
    """Let the process hold so many connections where the system allows it; 1,024 is a usual first bound."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415  Windows has none

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
