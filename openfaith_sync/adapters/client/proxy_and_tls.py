"""Chooses the proxy and the trusted certificates for requests, and explains why connections fail."""

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
class ProxyRoute:
    """How one source is reached: directly, or through the proxy that an environment variable names."""

    host: str
    proxy: httpx.Proxy | None = None
    variable: str = ""

    @property
    def name(self) -> str:
        """Return a description of the proxy, without its login."""
        assert self.proxy is not None
        return f"the proxy {self.proxy.url.netloc.decode()} ({self.variable})"

    @property
    def remedy(self) -> str:
        """Return advice on correcting or bypassing the proxy."""
        return f"correct {self.variable}, or set NO_PROXY={self.host} to go without a proxy"


def find_route(base_url: str) -> ProxyRoute:
    """Return the proxy that the environment sets for a base URL; loopback addresses never use one.

    Raises:
        DefinitionError: The proxy that the environment names cannot be used.
    """
    url = httpx.URL(base_url)
    if _is_loopback(url.host) or urllib.request.proxy_bypass(url.netloc.decode()):
        return ProxyRoute(url.host)
    found = urllib.request.getproxies()
    given = found.get(url.scheme) or found.get("all")
    if not given:
        return ProxyRoute(url.host)
    return _proxy_route(given, _variable("all" if not found.get(url.scheme) else url.scheme), url.host)


def _proxy_route(given: str, variable: str, host: str) -> ProxyRoute:
    wanted = "expected http://[user:password@]host[:port]"
    # The value may contain a password, so it appears neither in the message nor in a chained error.
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
    return ProxyRoute(host, httpx.Proxy(url), variable)


def _variable(kind: str) -> str:
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), "the system's settings")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def build_ssl_context(route: ProxyRoute, base_url: str) -> ssl.SSLContext:
    """Return the SSL context for a base URL; certificates are only loaded if TLS is used.

    Raises:
        DefinitionError: The environment names certificates that cannot be read.
    """
    schemes = {httpx.URL(base_url).scheme, route.proxy.url.scheme if route.proxy else ""}
    return _verifying_context() if "https" in schemes else _plain_context()


@cache
def _verifying_context() -> ssl.SSLContext:
    """Return the context with the trusted certificates; loaded once, since that takes 30 ms."""
    variable, place = _certificate_variable()
    try:
        if variable == "SSL_CERT_DIR" and not Path(place).is_dir():
            raise NotADirectoryError(2, "no such folder")
        return httpx.create_ssl_context()
    except OSError as error:
        reason = "it contains no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise DefinitionError(
            f"{variable} is {place}, which cannot be used as certificates: {reason}; correct or unset it"
        ) from None


def _certificate_variable() -> tuple[str, str]:
    """Return the variable that names the trusted certificates, and its value; httpx checks them in this order."""
    return next(((name, os.environ[name]) for name in _AUTHORITIES if os.environ.get(name)), ("", ""))


@cache
def _plain_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def explain(error: Exception, route: ProxyRoute) -> str | None:
    """Return why the connection failed and what to do; ``None`` if no more is known than the error's class."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); {_how_to_trust(route)}"
        if isinstance(cause, ssl.SSLError):
            return f"the server does not use TLS ({cause.reason}); check the base URL's port, or use http://"
    if isinstance(error, httpx.ProxyError) and route.proxy is not None:
        status = _STATUS.search(str(error))
        code = f" with {status[0]}" if status else ""
        return f"{route.name} refused the connection{code}; {route.remedy}"
    if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return None
    reason = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), "no response")
    if route.proxy is not None:
        return f"{route.name} cannot be reached ({reason}); {route.remedy}"
    return f"no connection was made ({reason})"


def _how_to_trust(route: ProxyRoute) -> str:
    variable, place = _certificate_variable()
    if variable:
        return f"only the certificates in {variable} ({place}) are trusted: add the missing one, or unset {variable}"
    proxy = f" or {route.name}" if route.proxy else ""
    return f"if a firewall{proxy} intercepts TLS, set SSL_CERT_FILE to a file that contains its certificate"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
