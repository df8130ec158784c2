"""Open the database: find it, check its version, and migrate it."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, LiteralString, Self

import psycopg

from openfaith_sync.domain.connections.connection import OAuthClient
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.defaults import LEASE_LASTS
from openfaith_sync.domain.errors import DefinitionError, UsageError
from openfaith_sync.domain.ids import NOBODY, AdapterName, OrgId, parse_org
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres.embedded_server import start_embedded
from openfaith_sync.store.postgres.error_translation import translate_refusal, translated
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.query_role import ensure_query_role, set_password
from openfaith_sync.store.schema.reader_roles import open_to_readers
from openfaith_sync.store.schema.revision import HEAD, REVISIONS
from openfaith_sync.store.schema.row_level_security import AS_ONE_ORG, create_row_level_security, has_row_level_security

# Views of record tables keep orgs apart by `security_invoker`, which PostgreSQL 14 does not have.
OLDEST_SERVER = 150000
DAGSTER_SCHEMA = "dagster"

# A worker whose machine vanished must not keep its lease for the two hours that operating systems wait by default.
# The planner settings supply what it cannot know about a page: a statement is planned once, when the tables may still
# be empty.
# The revision is what the database compares with its own whenever this session takes a lease or commits a page.
_SESSION = f"""
SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
       set_config('tcp_keepalives_count', '3', false), set_config('lock_timeout', '60s', false),
       set_config('TimeZone', 'UTC', false), set_config('openfaith.revision', '{HEAD}', false)
"""
_PAGE_PATH = """
set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
       set_config('jit', 'off', false)
"""
ORG_SESSION = f"{_SESSION}, {AS_ONE_ORG}"
"""What the session of one org begins with; its one parameter is the org."""
_STORE_SESSION = f"{_SESSION}, {_PAGE_PATH}, {AS_ONE_ORG}"


# The same keepalives on our side: a database whose machine vanished blocks no process for longer than a minute.
CONNECTION_OPTIONS: Mapping[str, Any] = {
    "autocommit": True,
    "connect_timeout": 10,
    "application_name": "openfaith-sync",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""What every connection is made with."""


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database."""

    url: DatabaseUrl
    keys: SecretKeys
    oauth_clients: Mapping[AdapterName, OAuthClient] = field(default_factory=dict)
    """This deployment's OAuth clients at the sources whose tokens are stored here."""
    lease_lasts: timedelta = LEASE_LASTS
    """How long the holder of a lease may be silent before another worker takes it over."""
    query_url: DatabaseUrl | None = None
    """The login for people's own queries, if the operator created one; ``None``: one is created."""

    def __enter__(self) -> Self:
        """Return the database: nothing is held open between two uses."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: every connection is closed by its own block."""

    @property
    def libpq_url(self) -> str:
        """Return the URL for psql."""
        return self.url.libpq

    @property
    def dagster_url(self) -> str:
        """Return the URL for dagster-postgres, whose tables are in a separate schema."""
        return self.url.dagster(DAGSTER_SCHEMA)

    @contextmanager
    def connect(self, org: OrgId) -> Iterator[Connection]:
        """Yield a connection that sees one org, in autocommit, closed at the end; its errors are translated."""
        with _connect(self.url, ORG_SESSION, _known(org)) as connection, translated():
            yield connection

    @contextmanager
    def connect_fleet(self) -> Iterator[Connection]:
        """Yield a connection that sees all orgs, for scheduling and for people; a test lists where it is used."""
        with _connect(self.url) as connection, translated():
            yield connection

    def connect_reading(self, org: OrgId | None) -> AbstractContextManager[Connection]:
        """Return a connection that sees this org, or all orgs if none is passed."""
        return self.connect_fleet() if org is None else self.connect(org)

    @contextmanager
    def connect_query(self) -> Iterator[Connection]:
        """Yield a connection for a person's own statements: its role can read all orgs and change nothing.

        Raises:
            DefinitionError: An operator must create the role, or let it log in; the message says how.
        """
        if self.query_url is not None:
            with _connect(self.query_url) as session:
                with self.connect_fleet() as connection:
                    ensure_query_role(connection, session.info.user)
                yield session
            return
        with self.connect_fleet() as connection:
            role = ensure_query_role(connection)
        with ExitStack() as stack:
            try:
                session = stack.enter_context(_connect(self._query_url(role)))
            except DefinitionError:
                if not self.keys.is_production:
                    raise
                # The newest key, and with it the password, may have changed since.
                with self.connect_fleet() as connection:
                    set_password(connection, role, self.keys.derive_password(role))
                session = stack.enter_context(_connect(self._query_url(role)))
            yield session

    def _query_url(self, role: str) -> DatabaseUrl:
        # The embedded server asks for no password: only its own user, or root, can reach its socket.
        return self.url.with_login(role, self.keys.derive_password(role) if self.keys.is_production else None)

    @contextmanager
    def connect_for_pages(self, org: OrgId) -> Iterator[Connection]:
        """Yield a connection that sees one org, planned for page commits; its errors are not translated."""
        with _connect(self.url, _STORE_SESSION, _known(org)) as connection:
            yield connection


def open_database(settings: Settings) -> Database:
    """Return the database of these settings with every migration applied.

    Several processes may do this at once. On an up-to-date database it costs one
    connection and one query.

    Raises:
        UsageError: The URL is not a PostgreSQL URL.
        TransientError: The database cannot be reached now.
        DefinitionError: It refuses the connection, is too old, or newer than this code.
    """
    url = DatabaseUrl.parse(settings.database_url or start_embedded(settings.home))
    with _connect(url) as connection, translated():
        if connection.info.server_version < OLDEST_SERVER:
            found = connection.info.server_version // 10000
            raise DefinitionError(
                f"the database at {url} is PostgreSQL {found}; at least {OLDEST_SERVER // 10000} is required"
            )
        revision = _load_revision(connection)
        has_policies = revision == HEAD and has_row_level_security(connection)
    if revision is not None and revision not in REVISIONS:
        raise DefinitionError(
            f"the database at {url} is at revision {revision}, which this code (at {HEAD}) does not know: "
            "it was migrated by a newer version; install that version or restore the database"
        )
    if revision != HEAD:
        # SQLAlchemy and alembic take longer to import than everything else here.
        from openfaith_sync.store.schema.migrate import migrate  # noqa: PLC0415

        migrate(url)
    if not has_policies:
        with _connect(url) as connection, translated():
            create_row_level_security(connection)
            # Tables of a migration are opened like those of a manifest.
            open_to_readers(connection)
    query_url = DatabaseUrl.parse(settings.query_url) if settings.query_url else None
    return Database(url, _keys(settings), settings.oauth_clients, query_url=query_url)


def _known(org: OrgId) -> OrgId:
    """Validate an org's name: a session named by other text would see nothing, or, if it is empty, all orgs."""
    return org if org == NOBODY else parse_org(org)


def _keys(settings: Settings) -> SecretKeys:
    return SecretKeys(settings.home, settings.secret_keys, is_production=settings.database_url is not None)


def _load_revision(connection: Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM sync.alembic_version").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return str(row[0]) if row else None


@contextmanager
def _connect(url: DatabaseUrl, session: LiteralString = _SESSION, *parameters: str) -> Iterator[Connection]:
    """Yield one connection; an error here is one line, without the password."""
    try:
        connection = psycopg.connect(url.libpq, **CONNECTION_OPTIONS)
    except psycopg.ProgrammingError:
        # Not chained: the driver's own words can repeat the URL, password and all.
        raise UsageError(f"the database URL has a part that PostgreSQL does not know (it points at {url})") from None
    except psycopg.Error as error:
        raise translate_refusal(error, str(url)) from error
    with connection:
        with translated():
            begin_session(connection, session, parameters)
        yield connection


def begin_session(connection: Connection, session: LiteralString, parameters: tuple[str, ...]) -> None:
    """Execute what a session begins with.

    Raises:
        DefinitionError: The role that keeps orgs apart cannot be taken.
    """
    try:
        connection.execute(session, parameters)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue) as error:
        raise DefinitionError(
            "the role that separates orgs is missing or not granted to the login; opening the database again "
            "restores it"
        ) from error
