"""What a request carries to prove itself, and how that is renewed: once for all threads and processes."""

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
MOST_UNUSED = 5
"""Tokens that this process renewed in a row and never read with. The source means more than the token then,
whatever its words are; a few are taken for ones that other processes used up."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request carries of one version of the credentials."""

    headers: Mapping[str, str] = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    version: int


class Authorization:
    """The credentials of one connection in this process. Safe to use from several threads."""

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
        """Begin with the connection's credentials; without ``tokens`` they are all there is.

        A token goes into the Authorization header, or to the ``place`` that the manifest names.
        """
        self._place = place
        self._whose = f"{connection.org}/{connection.adapter}"
        self._tokens, self._exchange, self._ahead, self._clock = tokens, exchange, ahead, clock
        self._turn = threading.Lock()
        self._ended: ReconnectRequired | None = None
        self._unused = 0
        self._hold(HeldCredentials(connection.credentials, connection.version, connection.left))

    def prove(self) -> Proof:
        """Return what the next request carries.

        Raises:
            ReconnectRequired: The source refused the credentials before.
        """
        if self._ended is not None:
            raise self._ended
        return self._proof

    def note_accepted(self, proof: Proof) -> None:
        """Note that a proof was good, and renew it when its end is near.

        Only here, when the source has just answered: a refresh that is sent into an outage
        may be spent without our knowing it.
        """
        if proof.version == self._proof.version:
            self._unused = 0
        if self._clock() < self._renew_at or not self._turn.acquire(blocking=False):
            return
        try:
            if self._clock() >= self._renew_at:
                self._renew_early()
        finally:
            self._turn.release()

    def renew(self, refused: Proof, why: str) -> None:
        """Have another proof than the one that the source refused; once for all threads that come with it.

        Raises:
            ReconnectRequired: There is none; all that is asked later raises it too.
            TransientError: Not now.
        """
        with self._turn:
            if self._ended is not None:
                raise self._ended
            if self._proof.version != refused.version:
                return
            try:
                self._hold(self._newer(refused.version, why))
            except ReconnectRequired as error:
                self._ended = error
                raise

    def end(self, refused: Proof, why: str) -> None:
        """Have the credentials refused for all, unless there are newer ones by now.

        Raises:
            ReconnectRequired: There are none.
        """
        with self._turn:
            if self._ended is None and self._proof.version == refused.version:
                try:
                    self._hold(self._refused(refused.version, why))
                except ReconnectRequired as error:
                    self._ended = error
        self.prove()

    def _newer(self, version: int, why: str) -> HeldCredentials:
        if self._tokens is None or self._exchange is None or self._unused >= MOST_UNUSED:
            return self._refused(version, why)
        return self._tokens.refresh(version, self._counted(self._exchange), is_refused=True)

    def _counted(self, exchange: Exchange) -> Exchange:
        def spend(held: OAuthTokens) -> OAuthTokens:
            made = exchange(held)
            self._unused += 1
            return made

        return spend

    def _refused(self, version: int, why: str) -> HeldCredentials:
        newer = self._tokens.refuse(version, why) if self._tokens else None
        if newer is None:
            raise ReconnectRequired(why)
        return newer

    def _renew_early(self) -> None:
        if self._tokens is None or self._exchange is None:
            self._renew_at = math.inf
            return
        self._renew_at = self._clock() + _SECONDS_BETWEEN_TRIES
        try:
            self._hold(self._tokens.refresh(self._proof.version, self._exchange, is_refused=False))
        except ReconnectRequired as error:
            self._ended = error
        except AnswerLost as error:
            # The access token may last a while; nothing is gained by looking again before it is refused.
            self._renew_at = math.inf
            _LOG.warning("%s: %s", self._whose, error)
        except SyncError as error:
            # Whatever it is, the page that was just read is good; once the token is refused, it is raised.
            _LOG.warning("%s: its token is not renewed yet: %s", self._whose, error)

    def _hold(self, held: HeldCredentials) -> None:
        self._proof = _prove(held, self._place)
        left = math.inf if held.left is None else (held.left - self._ahead).total_seconds()
        self._renew_at = self._clock() + left


def _prove(held: HeldCredentials, place: TokenPlace | None) -> Proof:
    if place is None or not isinstance(held.credentials, BearerToken):
        return Proof({"Authorization": authorization(held.credentials)}, {}, held.version)
    token = Hidden(place.prefix + held.credentials.token)
    if place.header is not None:
        return Proof({place.header: token}, {}, held.version)
    return Proof({}, {str(place.parameter): token}, held.version)


def authorization(credentials: Credentials) -> str:
    """Return the Authorization header of these credentials (RFC 7617 for Basic, RFC 6750 for tokens)."""
    match credentials:
        case BasicCredentials(application_id, secret):
            pair = f"{application_id}:{secret}"
            return Hidden("Basic " + base64.b64encode(pair.encode()).decode())
        case BearerToken(token) | OAuthTokens(access_token=token):
            return Hidden(f"Bearer {token}")
