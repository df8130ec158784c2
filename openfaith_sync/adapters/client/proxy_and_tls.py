"""How requests leave this machine: through which proxy, trusting which certificates; and why they did not arrive."""

import ipaddress
import os
import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx

from openfaith_sync.domain.errors import DefinitionError

_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_STATUS = re.compile(r"\d{3}")


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one source: straight, or through the proxy that a variable of the environment names."""

    host: str
    proxy: httpx.Proxy | None = None
    variable: str = ""

    @property
    def name(self) -> str:
        """Say which proxy it is, without its login."""
        assert self.proxy is not None
        return f"the proxy {self.proxy.url.netloc.decode()} ({self.variable})"

    @property
    def detour(self) -> str:
        """Say how to do without the proxy."""
        return f"correct {self.variable}, or set NO_PROXY={self.host} to go without a proxy"


def find_route(base_url: str) -> Route:
    """Return the way to a base URL as the environment says; this machine itself is never reached through a proxy.

    Raises:
        DefinitionError: The proxy that the environment names cannot be used.
    """
    url = httpx.URL(base_url)
    if _is_this_machine(url.host) or urllib.request.proxy_bypass(url.netloc.decode()):
        return Route(url.host)
    found = urllib.request.getproxies()
    given = found.get(url.scheme) or found.get("all")
    if not given:
        return Route(url.host)
    return _through(given, _variable("all" if not found.get(url.scheme) else url.scheme), url.host)


def _through(given: str, variable: str, host: str) -> Route:
    wanted = "expected http://[user:password@]host[:port]"
    # Not chained and not repeated: the value may hold a password.
    try:
        url = httpx.URL(given if "://" in given else f"http://{given}")
    except httpx.InvalidURL:
        raise DefinitionError(f"{variable} is not the URL of a proxy; {wanted}") from None
    if url.scheme.startswith("socks"):
        raise DefinitionError(
            f"{variable} names a SOCKS proxy ({url.scheme}://{url.netloc.decode()}), "
            f"and only HTTP proxies can be used; set {variable} to one ({wanted}), "
            f"or set NO_PROXY={host} to go without a proxy"
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise DefinitionError(f"{variable} is not the URL of a proxy; {wanted}")
    return Route(host, httpx.Proxy(url), variable)


def _variable(kind: str) -> str:
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), "the system's settings")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def trust(route: Route, base_url: str) -> ssl.SSLContext:
    """Return whose certificates are trusted on the way to a base URL; without TLS on it, nobody's.

    Raises:
        DefinitionError: The environment names certificates that cannot be read.
    """
    ways = {httpx.URL(base_url).scheme, route.proxy.url.scheme if route.proxy else ""}
    return _authorities() if "https" in ways else _nobody()


@cache
def _authorities() -> ssl.SSLContext:
    """Read the certificates of the authorities once: it takes 30 ms."""
    variable, place = _authority()
    try:
        if variable == "SSL_CERT_DIR" and not Path(place).is_dir():
            raise NotADirectoryError(2, "there is no such folder")
        return httpx.create_ssl_context()
    except OSError as error:
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise DefinitionError(
            f"{variable} names {place}, which cannot be used as certificates: {reason}; correct it or unset it"
        ) from None


def _authority() -> tuple[str, str]:
    """Return the variable that names the trusted certificates, and its value; the library looks in this order."""
    return next(((name, os.environ[name]) for name in _AUTHORITIES if os.environ.get(name)), ("", ""))


@cache
def _nobody() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def explain(error: Exception, route: Route) -> str | None:
    """Return why no connection was made and what to do, where more is known than the library's name for it."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); {_how_to_trust(route)}"
        if isinstance(cause, ssl.SSLError):
            return f"what answers there does not speak TLS ({cause.reason}); check the base URL's port, or use http://"
    if isinstance(error, httpx.ProxyError) and route.proxy is not None:
        status = _STATUS.search(str(error))
        said = f" with {status[0]}" if status else ""
        return f"{route.name} refused the connection{said}; {route.detour}"
    if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return None
    reason = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), "no answer")
    if route.proxy is not None:
        return f"{route.name} cannot be reached ({reason}); {route.detour}"
    return f"no connection was made ({reason})"


def _how_to_trust(route: Route) -> str:
    variable, place = _authority()
    if variable:
        return f"{variable} names the only certificates that are trusted ({place}): add the missing one, or unset it"
    through = f" or in {route.name}" if route.proxy else ""
    return f"if a firewall of yours{through} signs anew, set SSL_CERT_FILE to a file that holds its certificate"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
