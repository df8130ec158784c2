"""A connection's credentials, shared by all its processes: refreshed once, and no refresh token used twice (law 8).

A refresh token is valid for one use, and the response to it is the only copy of the next one. So the
intention is committed before the token is sent, and the new pair before it is used. An advisory lock lets
only one process at a time do this, and ends with it; the journal records what it left. An intention without
an outcome means that the token may have been used: no process sends it again.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeAlias

import psycopg

from openfaith_sync.domain.connections.connection import Connection, ConnectionStatus, HeldCredentials, OAuthTokens
from openfaith_sync.domain.errors import AnswerLost, ReconnectRequired, SyncError, TransientError
from openfaith_sync.store.connections import tokens_sql as sql
from openfaith_sync.store.connections.credentials import read, sealed
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.passes.leases import end_silent_session
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection as Session

Exchange: TypeAlias = Callable[[OAuthTokens], OAuthTokens]

REFRESH_STEPS = ("wait", "look", "begin", "send", "answered", "store", "stored")
"""Steps at which tests kill the process: each is reported just before it, ``answered`` and ``stored`` just after."""

_WRITE_SECONDS, _FIRST_PAUSE, _LONGEST_PAUSE = 120.0, 0.1, 5.0
_KEPT = 20
"""Refreshes of one connection that stay in the journal."""

_LOG = logging.getLogger("openfaith_sync.tokens")


@dataclass(frozen=True, slots=True)
class _Journal:
    """What became of the stored refresh token."""

    outcome: str
    begun_at: datetime
    holder: str
    detail: str | None


class ConnectionTokens:
    """Implements ``adapters.ports.shared_state.Tokens``; every use opens a session. Safe to use from threads."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        on_step: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,  # until the database takes what cannot be asked for again
    ) -> None:
        """Serve one connection while its URL stays the same."""
        self._database, self._base_url = database, connection.base_url
        self._org, self._adapter = self._key = (connection.org, connection.adapter)
        self._on_step, self._pause = on_step, pause

    def refresh(self, version: int, exchange: Exchange, *, is_refused: bool) -> HeldCredentials:
        """Return newer credentials than this version: the stored ones, or else those that the exchange returns.

        Raises:
            ReconnectRequired: They cannot be refreshed; the connection now records this.
            AnswerLost: They are not refused yet, and their refresh token may have been used.
            TransientError: The source did nothing, or the database is unreachable.
        """
        with self._database.connect(self._org) as session, self._turn(session):
            self._on_step("look")
            held, journal = self._look(session)
            if held.version != version:
                return held
            self._require_unspent(version, held, journal, is_refused=is_refused)
            assert isinstance(held.credentials, OAuthTokens)
            self._on_step("begin")
            if session.execute(sql.BEGIN, (*self._key, version, _holder())).rowcount == 0:
                # Another process began although this one holds the lock: a pooler or a failover gave
                # it away.
                raise TransientError("another process is refreshing this token now")
            tokens = self._send(session, version, held.credentials, exchange)
            self._on_step("answered")
            self._store(session, version, tokens)
            self._on_step("stored")
        # That session may have broken meanwhile.
        with self._database.connect(self._org) as session:
            return self._look(session)[0]

    def refuse(self, version: int, reason: str) -> HeldCredentials | None:
        """Record that the source refuses this version, or return the newer one if there is one."""
        with self._database.connect(self._org) as session:
            held, _ = self._look(session)
        if held.version != version:
            return held
        self._mark(version, reason)
        return None

    @contextmanager
    def _turn(self, session: Session) -> Iterator[None]:
        """Wait to be the only process that refreshes these credentials; processes that waited find them refreshed."""
        self._on_step("wait")
        with translated():
            try:
                session.execute(sql.LOCK, self._key)
            except psycopg.errors.LockNotAvailable:
                # Its holder may be stopped; the journal records what it had sent.
                if not end_silent_session(session, sql.LOCK_NAME.format(*self._key), self._database.lease_lasts):
                    raise
                session.execute(sql.LOCK, self._key)
        try:
            yield
        finally:
            # A session that broke has already released its lock.
            with suppress(psycopg.Error):
                session.execute(sql.UNLOCK, self._key)

    def _look(self, session: Session) -> tuple[HeldCredentials, _Journal | None]:
        with translated():
            row = session.execute(sql.LOOK, self._key).fetchone()
        if row is None or row[4] != self._base_url:
            # The newer credentials are for that URL, and no other source may see them.
            raise TransientError(f"the connection of {self._org} to {self._adapter} was changed; start again")
        method, secret, version, left, _, *journal = row
        credentials = read(method, self._database.keys.decrypt(secret, f"{self._org}/{self._adapter}"))
        return HeldCredentials(credentials, version, left), _Journal(*journal) if journal[0] else None

    def _require_unspent(
        self, version: int, held: HeldCredentials, journal: _Journal | None, *, is_refused: bool
    ) -> None:
        if not isinstance(held.credentials, OAuthTokens):
            reason = "the source refuses its credentials, and they cannot be refreshed"
        elif journal is None or journal.outcome == "unspent":
            return
        elif journal.outcome == "refused":
            reason = str(journal.detail)
        else:
            reason = (
                f"its refresh token may have been used: {journal.holder} sent it "
                f"at {journal.begun_at:%Y-%m-%d %H:%M:%S} UTC "
                f"and {journal.detail or 'ended before the response was stored'}"
            )
            if not is_refused:
                raise AnswerLost(reason)
        self._mark(version, reason)
        raise ReconnectRequired(f"the org must reconnect: {reason}")

    def _send(self, session: Session, version: int, held: OAuthTokens, exchange: Exchange) -> OAuthTokens:
        self._on_step("send")
        try:
            return exchange(held)
        except ReconnectRequired as error:
            self._end(session, version, "refused", error)
            # The journal tells the next process, in case the database is unreachable now.
            with suppress(SyncError):
                self._mark(version, str(error))
            raise
        except AnswerLost as error:
            self._end(session, version, "lost", error)
            raise
        except SyncError as error:
            self._end(session, version, "unspent", error)
            raise

    def _end(self, session: Session, version: int, outcome: str, error: SyncError) -> None:
        """Record in the journal what became of the token, if possible; the caller raises the source's error."""
        parameters = {"outcome": outcome, "detail": str(error), "version": version}
        try:
            self._write(session, sql.END, parameters)
        except SyncError as failure:
            _LOG.warning("%s/%s: the journal could not record that its token is %s: %s", *self._key, outcome, failure)

    def _store(self, session: Session, version: int, tokens: OAuthTokens) -> None:
        """Store the new pair, retrying on failures, since this is its only copy."""
        method, secret = sealed(self._database.keys, tokens)
        parameters = {
            "version": version,
            "secret": secret,
            "lifetime": tokens.lifetime,
            "scopes": sorted(tokens.scopes),
            "kept": _KEPT,
        }
        assert method == "oauth2"
        self._on_step("store")
        self._write(session, sql.STORE, parameters)

    def _write(self, session: Session, statement: LiteralString, parameters: dict[str, Any]) -> int:
        """Write the outcome, in another session if this one broke during the call, and return the number of rows."""
        parameters = {**parameters, "org": self._org, "adapter": self._adapter}
        try:
            with translated():
                return session.execute(statement, parameters).rowcount
        except TransientError as error:
            return self._write_elsewhere(statement, parameters, error)

    def _write_elsewhere(self, statement: LiteralString, parameters: dict[str, Any], error: TransientError) -> int:
        until, pause = time.monotonic() + _WRITE_SECONDS, _FIRST_PAUSE
        while time.monotonic() < until:
            _LOG.warning("%s/%s: the outcome of its token refresh is not stored yet: %s", *self._key, error)
            self._pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            # A failure now does not mean that the next attempt fails.
            with suppress(SyncError), self._database.connect(self._org) as session:
                return session.execute(statement, parameters).rowcount
        raise error

    def _mark(self, version: int, reason: str) -> None:
        """Record that the org must reconnect."""
        with self._database.connect(self._org) as session, session.transaction():
            row = session.execute(sql.HOLD, (*self._key, version)).fetchone()
            if row is None or row[0] not in {ConnectionStatus.ACTIVE, ConnectionStatus.UNCONFIRMED}:
                return
            session.execute(sql.REFUSE, (reason, *self._key))


def _holder() -> str:
    return f"{socket.gethostname()} pid {os.getpid()}"
