"""What a deployment may set through environment variables."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from openfaith_sync.domain.connections.connection import OAuthClient
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName

ALERT_URLS = "OPENFAITH_ALERT_URLS"

_NEXT_URL = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_CLIENT_ID = re.compile(r"OPENFAITH_([A-Z][A-Z0-9_]*)_CLIENT_ID")


class LogFormat(StrEnum):
    """How the log is written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The deployment's settings; each has a default that works on a new machine."""

    home: Path
    """The folder of the embedded server and the development key."""
    manifests: Path
    database_url: str | None = field(repr=False)
    """``None`` for the embedded PostgreSQL."""
    secret_keys: tuple[str, ...] = field(repr=False)
    """Fernet keys, newest first; empty outside production."""
    public_url: str | None = None
    """The public URL of ``serve``; without one no webhook subscriptions are made."""
    query_url: str | None = field(default=None, repr=False)
    """The database URL with the login of ``db query``; without one a login is created."""
    oauth_clients: Mapping[AdapterName, OAuthClient] = field(default_factory=dict)
    """The OAuth client of each adapter whose orgs connect by OAuth."""
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    """The Apprise URLs that alerts are sent to; they hold secrets."""
    operator: str | None = None
    """The organization that runs this deployment, as invitations name it."""
    log_format: LogFormat = LogFormat.TEXT

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables; an empty one counts as unset."""
        keys = environment.get("OPENFAITH_SECRET_KEYS", "")
        return cls(
            home=Path(environment.get("OPENFAITH_HOME") or ".openfaith").absolute(),
            manifests=_manifests(environment.get("OPENFAITH_MANIFESTS")),
            database_url=environment.get("OPENFAITH_DATABASE_URL") or None,
            secret_keys=tuple(key.strip() for key in keys.split(",") if key.strip()),
            query_url=environment.get("OPENFAITH_QUERY_URL") or None,
            public_url=environment.get("OPENFAITH_PUBLIC_URL") or None,
            oauth_clients=dict(_clients(environment)),
            alert_urls=_urls(environment.get(ALERT_URLS, "")),
            operator=" ".join(environment.get("OPENFAITH_OPERATOR", "").split()) or None,
            log_format=_log_format(environment.get("OPENFAITH_LOG_FORMAT")),
        )


def client_variables(adapter: AdapterName) -> tuple[str, str]:
    """Return the environment variables of an adapter's OAuth client: its id and its secret."""
    return f"OPENFAITH_{adapter.upper()}_CLIENT_ID", f"OPENFAITH_{adapter.upper()}_CLIENT_SECRET"


def _urls(text: str) -> tuple[str, ...]:
    """Return the URLs in a text, separated by spaces or commas; a comma inside a URL separates nothing."""
    found = (url.strip(" \t\r\n,") for url in _NEXT_URL.split(text))
    return tuple(dict.fromkeys(url for url in found if url))


def _clients(environment: Mapping[str, str]) -> Iterator[tuple[AdapterName, OAuthClient]]:
    """Yield the clients whose id and secret are both set."""
    for name in environment:
        if found := _CLIENT_ID.fullmatch(name):
            adapter = AdapterName(found[1].lower())
            client_id, secret = (environment.get(variable) for variable in client_variables(adapter))
            if client_id and secret:
                yield adapter, OAuthClient(client_id, secret)


def _log_format(given: str | None) -> LogFormat:
    try:
        return LogFormat(given or LogFormat.TEXT)
    except ValueError:
        raise UsageError(f"OPENFAITH_LOG_FORMAT is {given!r}; expected text or json") from None


def _manifests(given: str | None) -> Path:
    """Return the given folder, else ``manifests/`` here, else the manifests in the package."""
    if given:
        return Path(given).absolute()
    package = Path(__file__).resolve().parents[2]
    here = Path("manifests").absolute()
    shipped = [here, package.parent / "manifests", package / "manifests"]
    return next((folder for folder in shipped if folder.is_dir()), here)
