"""A database URL in the forms that its clients need, and one that is safe to show."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from openfaith_sync.domain.errors import UsageError

_SCHEME = re.compile(r"^(postgresql|postgres)(\+(psycopg|psycopg2))?://")

_OF_A_LOGIN = frozenset({"user", "password", "passfile"})


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The location of a PostgreSQL database; shown without its password."""

    libpq: str = field(repr=False)
    """For psql and psycopg."""

    @classmethod
    def parse(cls, given: str) -> "DatabaseUrl":
        """Accept a URL in any of the forms that drivers have made common.

        Raises:
            UsageError: It is not a PostgreSQL URL.
        """
        try:
            urlsplit(given)
        except ValueError:
            # Not chained: the cause repeats the URL, including the password.
            raise UsageError("the database URL is not a URL") from None
        if not _SCHEME.match(given):
            scheme = given.partition("://")[0] if "://" in given else "no scheme"
            raise UsageError(f"the database URL must begin with postgresql://, found {scheme[:30]}")
        return cls(_SCHEME.sub("postgresql://", given))

    @property
    def sqlalchemy(self) -> str:
        """Return the URL for SQLAlchemy, over psycopg 3."""
        return self._with_scheme("postgresql+psycopg")

    def dagster(self, schema: str) -> str:
        """Return the URL for dagster-postgres, whose tables are in a separate schema.

        It closes psycopg 3 connections that are in use, hence psycopg2.
        """
        parts = urlsplit(self._with_scheme("postgresql+psycopg2"))
        query = dict(parse_qsl(parts.query))
        query["options"] = f"{query.get('options', '')} -csearch_path={schema}".strip()
        return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))

    def with_database(self, name: str) -> "DatabaseUrl":
        """Return the URL of another database on the same server."""
        return DatabaseUrl(urlunsplit(urlsplit(self.libpq)._replace(path=f"/{name}")))

    def with_login(self, user: str, password: str | None) -> "DatabaseUrl":
        """Return the URL of the same database for another login."""
        parts = urlsplit(self.libpq)
        place = parts.netloc.rpartition("@")[2]
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        # Login parameters in the query are dropped: libpq prefers them to those before the host.
        kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in _OF_A_LOGIN]
        return DatabaseUrl(
            urlunsplit(parts._replace(netloc=f"{login}@{place}", query=urlencode(kept, quote_via=quote)))
        )

    def __str__(self) -> str:
        """Return the URL without the password, and without query parameters other than the host."""
        parts = urlsplit(self.libpq)
        user, at, place = parts.netloc.rpartition("@")
        host = dict(parse_qsl(parts.query)).get("host")
        name = user.partition(":")[0]
        return f"postgresql://{name}{at}{place}{parts.path}" + (f"?host={host}" if host else "")

    def _with_scheme(self, scheme: str) -> str:
        return self.libpq.replace("postgresql", scheme, 1)
