"""Authorizes requests, and renews the credentials once for all threads and processes."""

import base64
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from openfaith_sync.adapters.ports.shared_state import Exchange, Tokens
from openfaith_sync.domain.connections.connection import (
    BasicCredentials,
    BearerToken,
    Connection,
    Credentials,
    HeldCredentials,
    Hidden,
    OAuthTokens,
)
from openfaith_sync.domain.errors import AnswerLost, ReconnectRequired, SyncError
from openfaith_sync.domain.manifest.auth import TokenPlace

_LOG = logging.getLogger("openfaith_sync.tokens")
_SECONDS_BETWEEN_TRIES = 30.0
MAX_UNUSED_TOKENS = 5
"""Renewals in a row without one successful request. After that many, the source rejects more than the token,
whatever its message says. A few are expected: other processes may renew at the same time."""


@dataclass(frozen=True, slots=True)
class RequestAuth:
    """The headers and parameters that carry one version of the credentials."""

    headers: Mapping[str, str] = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    version: int


class Authorization:
    """The credentials of one connection in this process. Thread-safe."""

    def __init__(
        self,
        connection: Connection,
        tokens: Tokens | None = None,
        exchange: Exchange | None = None,
        ahead: timedelta = timedelta(),
        *,
        place: TokenPlace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with the connection's credentials; without ``tokens`` they cannot be renewed.

        A token is sent in the Authorization header, or in the ``place`` that the manifest names.
        """
        self._place = place
        self._label = f"{connection.org}/{connection.adapter}"
        self._tokens, self._exchange, self._ahead, self._clock = tokens, exchange, ahead, clock
        self._lock = threading.Lock()
        self._rejection: ReconnectRequired | None = None
        self._unused = 0
        self._hold(HeldCredentials(connection.credentials, connection.version, connection.left))

    def current(self) -> RequestAuth:
        """Return the headers and parameters for the next request.

        Raises:
            ReconnectRequired: The source has already rejected the credentials.
        """
        if self._rejection is not None:
            raise self._rejection
        return self._current

    def note_accepted(self, auth: RequestAuth) -> None:
        """Record that the source accepted the credentials, and renew them if they expire soon.

        Early renewal happens only here, just after a response: during an outage the response to a
        refresh may be lost after the source has already used up the refresh token.
        """
        if auth.version == self._current.version:
            self._unused = 0
        if self._clock() < self._renew_at or not self._lock.acquire(blocking=False):
            return
        try:
            if self._clock() >= self._renew_at:
                self._renew_early()
        finally:
            self._lock.release()

    def renew(self, rejected: RequestAuth, reason: str) -> None:
        """Replace rejected credentials, once for all threads that were rejected with them.

        Raises:
            ReconnectRequired: They cannot be replaced; every later call raises it too.
            TransientError: They cannot be replaced now; try again later.
        """
        with self._lock:
            if self._rejection is not None:
                raise self._rejection
            if self._current.version != rejected.version:
                return
            try:
                self._hold(self._newer(rejected.version, reason))
            except ReconnectRequired as error:
                self._rejection = error
                raise

    def invalidate(self, rejected: RequestAuth, reason: str) -> None:
        """Mark the credentials as rejected for all processes, unless newer ones have been stored.

        Raises:
            ReconnectRequired: There are no newer ones.
        """
        with self._lock:
            if self._rejection is None and self._current.version == rejected.version:
                try:
                    self._hold(self._refused(rejected.version, reason))
                except ReconnectRequired as error:
                    self._rejection = error
        self.current()

    def _newer(self, version: int, reason: str) -> HeldCredentials:
        if self._tokens is None or self._exchange is None or self._unused >= MAX_UNUSED_TOKENS:
            return self._refused(version, reason)
        return self._tokens.refresh(version, self._counted(self._exchange), is_refused=True)

    def _counted(self, exchange: Exchange) -> Exchange:
        def spend(held: OAuthTokens) -> OAuthTokens:
            tokens = exchange(held)
            self._unused += 1
            return tokens

        return spend

    def _refused(self, version: int, reason: str) -> HeldCredentials:
        newer = self._tokens.refuse(version, reason) if self._tokens else None
        if newer is None:
            raise ReconnectRequired(reason)
        return newer

    def _renew_early(self) -> None:
        if self._tokens is None or self._exchange is None:
            self._renew_at = math.inf
            return
        self._renew_at = self._clock() + _SECONDS_BETWEEN_TRIES
        try:
            self._hold(self._tokens.refresh(self._current.version, self._exchange, is_refused=False))
        except ReconnectRequired as error:
            self._rejection = error
        except AnswerLost as error:
            # The access token may still work for a while; trying again before it is rejected gains nothing.
            self._renew_at = math.inf
            _LOG.warning("%s: %s", self._label, error)
        except SyncError as error:
            # The page that was just read is valid in any case; the error is raised once the token is rejected.
            _LOG.warning("%s: could not renew the token yet: %s", self._label, error)

    def _hold(self, held: HeldCredentials) -> None:
        self._current = _request_auth(held, self._place)
        left = math.inf if held.left is None else (held.left - self._ahead).total_seconds()
        self._renew_at = self._clock() + left


def _request_auth(held: HeldCredentials, place: TokenPlace | None) -> RequestAuth:
    if place is None or not isinstance(held.credentials, BearerToken):
        return RequestAuth({"Authorization": authorization(held.credentials)}, {}, held.version)
    token = Hidden(place.prefix + held.credentials.token)
    if place.header is not None:
        return RequestAuth({place.header: token}, {}, held.version)
    return RequestAuth({}, {str(place.parameter): token}, held.version)


def authorization(credentials: Credentials) -> str:
    """Return the Authorization header for these credentials (RFC 7617 for Basic, RFC 6750 for tokens)."""
    match credentials:
        case BasicCredentials(application_id, secret):
            pair = f"{application_id}:{secret}"
            return Hidden("Basic " + base64.b64encode(pair.encode()).decode())
        case BearerToken(token) | OAuthTokens(access_token=token):
            return Hidden(f"Bearer {token}")
