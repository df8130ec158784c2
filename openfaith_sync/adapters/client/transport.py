"""One request over the wire and its answer: the pool, the URL, where a redirect may lead."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar
from importlib.metadata import version
from typing import Literal
from urllib.parse import urlencode

import httpx

from openfaith_sync.adapters.client.auth import Proof
from openfaith_sync.adapters.client.bounded_transport import BoundedTransport, deadline
from openfaith_sync.adapters.client.proxy_and_tls import Route, explain, find_route, trust
from openfaith_sync.adapters.client.request_limits import BOUNDS, GZIP, Bounds, read_body
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.adapter_file import AdapterFile

USER_AGENT = f"openfaith-sync/{version('openfaith-sync')} (+https://github.com/fold-dev/openfaith)"
MAX_REDIRECTS = 3
KEPT_SECONDS = 60.0
"""Longer than a window of any limit: whoever rested until the next one finds the connections still open."""
# Their INFO and DEBUG lines hold URLs with their queries, and headers.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Request:
    """One request below the connection's base URL."""

    path: str
    parameters: Mapping[str, str | int]
    api_version: str | None = None
    is_deep: bool = False
    """Whether it counts against the stricter limit for deep offsets."""
    is_reducible: bool = False
    """Whether the caller asks for less when this is not served, so that few tries are enough."""
    method: Literal["GET", "POST", "PATCH", "DELETE"] = "GET"
    body: bytes | None = None
    """JSON."""
    target: str | None = None
    """Where the source sent us on to, on its own host; in place of path and parameters."""

    @property
    def is_repeatable(self) -> bool:
        """Say whether it does no more when the source gets it twice (RFC 9110 9.2.2; our PATCHes set values)."""
        return self.method != "POST"


class _NoCookies(CookieJar):
    """Keeps none: a request says by itself who asks, and looking for them takes a tenth of its time."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Leave them."""

    def add_cookie_header(self, request: object) -> None:
        """Send none."""


class Wire:
    """Sends requests below one base URL. Safe to use from several threads."""

    def __init__(
        self,
        base_url: str,
        adapter: AdapterFile,
        transport: httpx.BaseTransport | None = None,
        bounds: Bounds = BOUNDS,
        media_type: str = "application/json",
    ) -> None:
        """Open the pool; nothing is sent yet."""
        self._base_url = base_url.rstrip("/")
        self._title = adapter.title
        self._version_header = adapter.version_header
        self._bounds = bounds
        self._route = find_route(self._base_url) if transport is None else Route("")
        in_flight = adapter.paging.pages_in_flight
        limits = httpx.Limits(
            max_connections=in_flight, max_keepalive_connections=in_flight, keepalive_expiry=KEPT_SECONDS
        )
        self._client = httpx.Client(
            headers={
                **adapter.headers,
                "User-Agent": USER_AGENT,
                "Accept": media_type,
                "Accept-Encoding": GZIP,
            },
            timeout=httpx.Timeout(bounds.read_seconds, connect=bounds.connect_seconds, pool=bounds.whole_seconds),
            transport=transport or BoundedTransport(trust(self._route, self._base_url), self._route.proxy, limits),
            trust_env=False,
            follow_redirects=False,
            cookies=_NoCookies(),
        )

    @property
    def host(self) -> str:
        """Say whom it talks to, without anything of a path or a credential."""
        return httpx.URL(self._base_url).netloc.decode()

    def explain(self, error: Exception) -> str | None:
        """Return why the source was not reached and what to do; ``None`` where only the error's kind is known."""
        return explain(error, self._route)

    def close(self) -> None:
        """Close the pool."""
        self._client.close()

    def send(self, request: Request, proof: Proof) -> httpx.Response:
        """Return the answer, whatever it says, read whole within the bounds.

        Raises:
            httpx.RequestError: There is none.
            AnswerTooLarge: It is larger than it may be.
        """
        headers = dict(proof.headers)
        if request.api_version and self._version_header:
            headers[self._version_header] = request.api_version
        url = request.target or self._base_url + request.path
        # A redirect states its own parameters, but not ours that carry the credentials.
        parameters = proof.parameters if request.target else {**request.parameters, **proof.parameters}
        if parameters:
            url += ("&" if "?" in url else "?") + urlencode(parameters)
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        with (
            deadline(self._bounds.whole_seconds),
            self._client.stream(request.method, url, headers=headers, content=request.body) as answer,
        ):
            body = read_body(answer, self._bounds.body_bytes)
        answer.headers.pop("content-encoding", None)
        return httpx.Response(answer.status_code, headers=answer.headers, content=body, request=answer.request)

    def follow(self, request: Request, answer: httpx.Response) -> Request | None:
        """Return the request that a redirect asks for; ``None`` when the answer is none.

        The credentials go where they belong: to the scheme, host and port of the connection.

        Raises:
            DefinitionError: It leads anywhere else, or what was asked would be another thing there.
        """
        if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
            return None
        asked = f"{request.method} {request.path}"
        if request.method != "GET":
            raise DefinitionError(f"{self._title} redirects {asked}, which is not a reading; check the base URL")
        try:
            target = answer.request.url.join(answer.headers["location"])
        except httpx.InvalidURL:
            raise DefinitionError(f"{self._title} redirects {asked} to what is no URL") from None
        if _origin(target) != _origin(answer.request.url) or target.userinfo:
            raise DefinitionError(
                f"{self._title} redirects {asked} to another place ({target.scheme}://{target.host[:100]}); "
                "nothing was sent there; check the connection's base URL"
            )
        return replace(request, target=str(target))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
