"""The places that alerts are sent to: Apprise URLs, which hold secrets, and what of them may be shown."""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from typing import NewType
from urllib.parse import urlsplit

TargetKey = NewType("TargetKey", str)
"""Names a target in the database, without its secrets."""

# In most of Apprise's URLs the place of the host holds a token (slack://TOKEN/…, tgram://TOKEN/…) or a topic that is as
# good as one (ntfy://TOPIC). In these it is always the name of a server.
_WITH_HOST = frozenset(
    secure
    for plain in ("apprise", "form", "gotify", "http", "json", "mailto", "mmost", "rocket", "workflow", "xml")
    for secure in (plain, f"{plain}s")
)
_SALT = b"openfaith alert target"
_KEY_BYTES = 12


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """One place that every alert is sent to."""

    url: str = field(repr=False)
    key: TargetKey
    name: str
    """The scheme, the host where it is one, and a few digits that tell similar targets apart."""


@cache
def build_target(url: str) -> AlertTarget:
    """Return the target of an Apprise URL."""
    # A URL may hold a short password. With scrypt, what is stored and shown is of no use for guessing it: a guess takes
    # 40 ms and 16 MB.
    digest = hashlib.scrypt(url.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=_KEY_BYTES).hex()
    return AlertTarget(url, TargetKey(digest), f"{_without_secrets(url)} #{digest[:4]}")


def _without_secrets(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return "(not a URL)"
    scheme = scheme.lower()
    if scheme not in _WITH_HOST:
        return f"{scheme}://"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{scheme}://"
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"
