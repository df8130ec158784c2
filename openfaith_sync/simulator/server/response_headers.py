"""Response headers, as the source sends them."""

from uuid import uuid4

from openfaith_sync.domain.manifest.paging import RateLimit
from openfaith_sync.simulator.api.responses import SimulatedResponse
from openfaith_sync.simulator.auth.access_control import Client
from openfaith_sync.simulator.settings.rate_limit import WindowCount

Headers = list[tuple[bytes, bytes]]

_ALWAYS: Headers = [
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer-when-downgrade"),
    (b"vary", b"Accept"),
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
]
_PROCESSOR: Headers = [
    (b"x-pco-api-processor", b"ENG_6.3.0"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-credentials", b"true"),
    (b"access-control-allow-methods", b"GET, POST, PATCH, PUT, DELETE, OPTIONS"),
    (
        b"access-control-expose-headers",
        (
            b"ETag, Link, X-PCO-API-Auth-Method, X-PCO-API-Request-Rate-Count, X-PCO-API-Request-Rate-Limit, "
            b"X-PCO-API-Request-Rate-Period, Retry-After"
        ),
    ),
]


class HeaderWriter:
    """Writes the headers; the manifest names those of the rate limit."""

    def __init__(self, rate_limit: RateLimit) -> None:
        """Use the names of this rate limit."""
        names = {
            "count": rate_limit.count_header,
            "limit": rate_limit.limit_header,
            "period": rate_limit.period_header,
        }
        self._names = {word: name.lower().encode() for word, name in names.items() if name}

    def opening(
        self, client: Client, window_count: WindowCount | None, version: str | None, response: SimulatedResponse
    ) -> Headers:
        """Return the headers about how the request was processed, with any false rate limit values."""
        headers = [*_PROCESSOR, (b"x-pco-api-auth-method", client.auth_method.encode())]
        if window_count is not None:
            rule = window_count.rule
            values: dict[str, str | None] = {
                "count": str(window_count.count),
                "limit": str(rule.requests),
                "period": str(rule.period_seconds),
            }
            values |= {word: value for word, value in response.header_values.items() if word in self._names}
            headers += [
                (self._names[word], value.encode())
                for word, value in values.items()
                if value is not None and word in self._names
            ]
        if version is not None:
            headers.append((b"x-pco-api-processed-as-version", version.encode()))
        return headers

    @staticmethod
    def closing(response: SimulatedResponse, digest: str, runtime_seconds: float) -> Headers:
        """Return the headers about the response itself."""
        headers = [*_ALWAYS, (b"x-request-id", str(uuid4()).encode())]
        headers.append((b"x-runtime", f"{runtime_seconds:.6f}".encode()))
        if response.body:
            headers.append((b"content-type", response.content_type.encode()))
        if response.status < 300:  # noqa: PLR2004
            headers.append((b"etag", f'W/"{digest}"'.encode()))
            headers.append((b"cache-control", b"max-age=0, private, must-revalidate"))
        return headers + [(name.encode(), value.encode()) for name, value in response.headers.items()]
