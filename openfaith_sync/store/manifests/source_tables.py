"""Make what a manifest's entities need in the database: source tables, and views of canonical tables.

Everything is additive: no table, column or row is ever dropped, and none changes its type, so that workers with an
older or newer manifest go on meanwhile. One process at a time applies a manifest; each table is one transaction,
and what was interrupted is done by whoever comes next.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import psycopg

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.manifests.edges_view import edges_changes
from openfaith_sync.store.manifests.hidden_columns import privacy_fingerprint, store_hidden
from openfaith_sync.store.manifests.manifest_plan import plan_changes
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.adapter_schemas import load_schema
from openfaith_sync.store.schema.catalogue import load_relations
from openfaith_sync.store.schema.changes import SchemaChange
from openfaith_sync.store.schema.reader_roles import open_to_readers
from openfaith_sync.store.schema.record_tables import are_registered, register_tables

_LOG = logging.getLogger(__name__)

SHAPE = "3"
"""Changes whenever the same manifest makes other tables, so that they are made again."""
LOCK_TIMEOUT = timedelta(seconds=3)
"""How long a change may wait for a table, and everybody else behind it."""
ATTEMPTS = 5
SECONDS_BETWEEN_ATTEMPTS = 1.0
TURNS = 20
"""How often a process waits for ``LOCK_TIMEOUT`` until another one has applied a manifest."""

_LOCK, _INDEX_LOCK = 0x0FA17_7AB1E, 0x0FA17_1DE8
_IS_APPLIED = """
SELECT EXISTS (SELECT FROM sync.applied_manifests
               WHERE adapter = %s AND fingerprint = %s AND applied_at IS NOT NULL)
"""
_BEGIN = "INSERT INTO sync.applied_manifests (adapter, fingerprint) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_END = "UPDATE sync.applied_manifests SET applied_at = now() WHERE adapter = %s AND fingerprint = %s"
_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', %s, true)"
_ROLE = "SELECT set_config('role', %s, %s)"
_HOLDERS = """
SELECT string_agg(format('%%s (%%s, for %%s s)', found.pid, found.application_name,
                         extract(epoch FROM now() - found.xact_start)::integer), ', ' ORDER BY found.xact_start)
FROM (SELECT DISTINCT active.pid, active.application_name, active.xact_start
      FROM pg_locks held JOIN pg_stat_activity active USING (pid)
      WHERE held.relation = to_regclass(%s) AND held.granted AND held.pid <> pg_backend_pid()) found
"""

# The same login may be making its role at this moment, for another database.
_MADE_MEANWHILE = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError_)

OnStatement = Callable[[str], None]
"""Called before each statement; tests use it to kill the process there."""


def _ignore(_: str) -> None:
    """Do nothing."""


def is_applied(connection: Connection, manifest: Manifest) -> bool:
    """Return whether the tables of this very manifest were made in this database; one query."""
    return bool(fetch_one(connection, _IS_APPLIED, _applied(manifest))[0])


def apply_manifest(
    connection: Connection, manifest: Manifest, on_statement: OnStatement = _ignore
) -> Sequence[SchemaChange]:
    """Make what is missing for a manifest's entities, and return it; safe with running workers.

    A connection that sees all orgs, in autocommit, is needed.

    Raises:
        TransientError: A table stayed in use, or another process is applying; what was made until then stays.
        DefinitionError: The manifest and what is there contradict each other; the message says how to mend it.
    """
    done: list[SchemaChange] = []
    with translated(), _taking_turns(connection, manifest) as is_ours:
        if is_ours:
            done += _make_tables(connection, manifest, on_statement)
            open_to_readers(connection)
    with translated(), _trying(connection) as is_ours:
        if is_ours:
            done += _make_indexes(connection, manifest, on_statement)
            connection.execute(_END, _applied(manifest))
    return done


def ensure_applied(connection: Connection, manifest: Manifest) -> None:
    """Make what is missing for a manifest's entities, unless this manifest was applied before: then one query.

    Raises:
        TransientError: As ``apply_manifest``.
        DefinitionError: As ``apply_manifest``.
    """
    if not is_applied(connection, manifest):
        apply_manifest(connection, manifest)


def _applied(manifest: Manifest) -> tuple[str, str]:
    return manifest.adapter, f"{manifest.fingerprint}/{privacy_fingerprint(manifest)}/{SHAPE}"


def _is_ready(connection: Connection, manifest: Manifest) -> bool:
    """Return whether nothing is missing but indexes, which another process may still be making."""
    changes = plan_changes(connection, manifest)
    return all(change.is_concurrent for change in changes) and are_registered(connection, manifest)


@contextmanager
def _taking_turns(connection: Connection, manifest: Manifest) -> Iterator[bool]:
    """Yield whether it is our turn; if not, another process has made all tables meanwhile.

    Raises:
        TransientError: Another process takes too long.
    """
    is_ours = False
    for _ in range(TURNS):
        is_ours = fetch_one(connection, "SELECT pg_try_advisory_lock(%s)", (_LOCK,))[0]
        if is_ours or _is_ready(connection, manifest):
            break
        with connection.transaction():
            connection.execute(_LOCK_TIMEOUT, (_milliseconds(LOCK_TIMEOUT),))
            try:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            except psycopg.errors.LockNotAvailable:
                continue
    else:
        raise TransientError(
            f"another process has been applying a manifest of {manifest.adapter} for a minute; try again later",
            retry_after=LOCK_TIMEOUT,
        )
    try:
        yield is_ours
    finally:
        if is_ours:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


@contextmanager
def _trying(connection: Connection) -> Iterator[bool]:
    """Yield whether nobody else is making indexes."""
    is_ours = fetch_one(connection, "SELECT pg_try_advisory_lock(%s)", (_INDEX_LOCK,))[0]
    try:
        yield is_ours
    finally:
        if is_ours:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_INDEX_LOCK,))


def _make_tables(connection: Connection, manifest: Manifest, on_statement: OnStatement) -> Iterator[SchemaChange]:
    # Read again once a role or a schema was made: what the tables need depends on who owns them.
    load_schema(connection, manifest.adapter)
    connection.execute(_BEGIN, _applied(manifest))
    for change in plan_changes(connection, manifest):
        if not change.is_concurrent and _make(connection, manifest.adapter, change, on_statement):
            yield change
    register_tables(connection, manifest)
    store_hidden(connection, manifest, load_relations(connection, manifest.adapter))
    for change in edges_changes(connection):
        _make(connection, manifest.adapter, change, on_statement)


def _execute(connection: Connection, change: SchemaChange, on_statement: OnStatement) -> None:
    for made in change.made:
        on_statement(made.statement)
        connection.execute(made.statement.encode())


def _make(connection: Connection, schema: str, change: SchemaChange, on_statement: OnStatement) -> bool:
    """Make a change in one transaction, and return whether it was made; a view that others depend on stays."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.transaction():
                connection.execute(_LOCK_TIMEOUT, (_milliseconds(LOCK_TIMEOUT),))
                if change.as_owner:
                    connection.execute(_ROLE, (load_schema(connection, schema).owner, True))
                _execute(connection, change, on_statement)
        except psycopg.errors.LockNotAvailable:
            if attempt == ATTEMPTS:
                raise _in_use(connection, change) from None
            # Those who waited behind this attempt come first.
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)  # whoever holds the lock is another session, which cannot notify us
        except _MADE_MEANWHILE:
            if not change.is_of_role:
                raise
            return False
        except psycopg.errors.DependentObjectsStillExist as error:
            # It still reads what it read: no reason to stop a sync for.
            _LOG.warning("%s stays as it was; drop first what depends on it: %s", change.of, error.diag.message_detail)
            return False
        else:
            return True
    raise AssertionError("the last attempt returns or raises")


def _in_use(connection: Connection, change: SchemaChange) -> TransientError:
    name = change.of.partition(" ")[2]
    holders = fetch_one(connection, _HOLDERS, (name,))[0]
    return TransientError(
        f"{name} is in use: {ATTEMPTS} times no lock was free within {LOCK_TIMEOUT.total_seconds():.0f} s. Nothing of "
        f"it was changed, and it is tried again by the next sync. Its locks are held by the database's processes "
        f"{holders or '(none any more)'}; to end one, run: SELECT pg_terminate_backend(PID)",
        retry_after=timedelta(minutes=1),
    )


def _make_indexes(connection: Connection, manifest: Manifest, on_statement: OnStatement) -> Iterator[SchemaChange]:
    for change in plan_changes(connection, manifest):
        if not change.is_concurrent:
            continue
        connection.execute(_ROLE, (load_schema(connection, manifest.adapter).owner, False))
        try:
            _execute(connection, change, on_statement)
        finally:
            connection.execute(_ROLE, ("none", False))
        yield change


def _milliseconds(span: timedelta) -> str:
    return str(span // timedelta(milliseconds=1))
