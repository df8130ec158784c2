"""One request over the wire and its answer: the pool, the URL, the time-outs."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Literal
from urllib.parse import urlencode

import httpx

from openfaith_sync.domain.adapter_file import AdapterFile

USER_AGENT = f"openfaith-sync/{version('openfaith-sync')} (+https://github.com/fold-dev/openfaith)"
TIMEOUT = httpx.Timeout(60, connect=10, pool=None)


@dataclass(frozen=True, slots=True)
class Request:
    """One request below the connection's base URL."""

    path: str
    parameters: Mapping[str, str | int]
    api_version: str | None = None
    is_deep: bool = False
    """Whether it counts against the stricter limit for deep offsets."""
    method: Literal["GET", "POST", "PATCH", "DELETE"] = "GET"
    body: bytes | None = None
    """JSON."""

    @property
    def is_repeatable(self) -> bool:
        """Say whether it does no more when the source gets it twice (RFC 9110 9.2.2; our PATCHes set values)."""
        return self.method != "POST"


class Wire:
    """Sends requests below one base URL. Safe to use from several threads."""

    def __init__(
        self, base_url: str, authorization: str, adapter: AdapterFile, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Open the pool; nothing is sent yet."""
        self._base_url = base_url.rstrip("/")
        self._version_header = adapter.version_header
        in_flight = adapter.paging.pages_in_flight
        self._client = httpx.Client(
            headers={"Authorization": authorization, "User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=TIMEOUT,
            verify=_trust(),
            limits=httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight),
            transport=transport,
            follow_redirects=False,
        )

    @property
    def host(self) -> str:
        """Say whom it talks to, without anything of a path or a credential."""
        return httpx.URL(self._base_url).netloc.decode()

    def close(self) -> None:
        """Close the pool."""
        self._client.close()

    def send(self, request: Request) -> httpx.Response:
        """Give the answer, whatever it says.

        Raises:
            httpx.RequestError: There is none.
        """
        headers = {self._version_header: request.api_version} if request.api_version else {}
        url = self._base_url + request.path
        if request.parameters:
            url += "?" + urlencode(request.parameters)
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        return self._client.request(request.method, url, headers=headers, content=request.body)


@cache
def _trust() -> ssl.SSLContext:
    """Read the certificates of the authorities once: it takes 30 ms."""
    return httpx.create_ssl_context()
