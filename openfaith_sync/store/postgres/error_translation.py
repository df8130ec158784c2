"""Translate database errors into ours, in one table."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg

from openfaith_sync.domain.errors import DefinitionError, LeaseLost, SyncError, TransientError

LEASE_LOST = "OF001"
"""Raised by ``sync.check_lease``."""
REFUSED = "OF002"
"""Raised by ``sync.check_lease`` for a pass that is not open, and by ``sync.check_revision``."""

# By SQLSTATE class, see PostgreSQL's appendix A. A class that is missing here is a mistake in our own SQL, or the
# fault of a single record that its caller handles: it is not translated.
BY_CLASS: dict[str, type[SyncError]] = {
    "08": TransientError,  # connection
    "25": TransientError,  # writing on what became a read-only standby
    "40": TransientError,  # deadlock, serialization
    "53": TransientError,  # out of memory, disk or connections
    "55": TransientError,  # a lock is held
    "57": TransientError,  # shut down, cancelled by an operator
    "58": TransientError,  # the server's own disk
    "0A": DefinitionError,  # not supported by this server
    "22": DefinitionError,  # a value of the wrong shape, outside a page
    "23": DefinitionError,  # a constraint, outside a page
    "28": DefinitionError,  # wrong password or no access
    "3D": DefinitionError,  # no such database
    "3F": DefinitionError,  # no such schema
    "42": DefinitionError,  # no such table or right
    "54": DefinitionError,  # beyond the server's limits
    "F0": DefinitionError,  # the server's configuration
    "XX": DefinitionError,  # damaged data
}
BY_STATE: dict[str, type[SyncError]] = {LEASE_LOST: LeaseLost, REFUSED: DefinitionError}

# A table, column, function or schema that is not there: in a running process, because the database was migrated.
_MIGRATED = ("42P01", "42703", "42883", "3F000")
# Messages of these contain the refused value, which may be personal.
_TELLS_VALUES = ("22", "23")
# A refused connection has no SQLSTATE. Messages of servers that may recover:
_HEALS = ("starting up", "shutting down", "recovery", "too many", "remaining connection slots")
_RETRY_AFTER = timedelta(seconds=5)


@contextmanager
def translated() -> Iterator[None]:
    """Raise the database's errors as ours; unknown ones are bugs and are not translated."""
    try:
        yield
    except psycopg.Error as error:
        ours = translate(error)
        if ours is None:
            raise
        # An error is stored and shown together with its cause, and some causes contain a row.
        raise ours from (None if _tells_values(error) else error)


def _tells_values(error: psycopg.Error) -> bool:
    state = error.diag.sqlstate or ""
    return state[:2] in _TELLS_VALUES or error.diag.message_detail is not None


def translate(error: psycopg.Error) -> SyncError | None:
    """Return our error for the database's; ``None`` for an unexpected one."""
    state = error.diag.sqlstate or error.sqlstate
    if state is None:
        is_outside = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return (
            TransientError("the connection to the database was lost", retry_after=_RETRY_AFTER) if is_outside else None
        )
    kind = BY_STATE.get(state) or BY_CLASS.get(state[:2])
    if kind is None:
        return None
    if state[:2] in _TELLS_VALUES:
        said = type(error).__name__
    else:
        said = (error.diag.message_primary or type(error).__name__).splitlines()[0]
    if issubclass(kind, TransientError):
        return kind(f"database error: {said} ({state})", retry_after=_RETRY_AFTER)
    if state in BY_STATE:
        return kind(f"{said} ({state})")
    if state in _MIGRATED:
        said += "; if the database was upgraded while this process was running, restart it with the installed version"
    return kind(f"database error: {said} ({state})")


def translate_refusal(error: psycopg.Error, place: str) -> SyncError:
    """Return our error for a connection that could not be opened."""
    said = str(error)
    is_refused = "FATAL" in said and not any(words in said for words in _HEALS)
    reason = _last_line(said)
    if is_refused:
        return DefinitionError(f"the database at {place} refuses the connection: {reason}")
    return TransientError(f"the database at {place} cannot be reached: {reason}", retry_after=_RETRY_AFTER)


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0].rpartition("FATAL:")[2].strip() if lines else "no reason given"
