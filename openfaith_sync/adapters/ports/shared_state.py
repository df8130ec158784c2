"""Protocols for the state that processes share; the store implements them and callers pass them in."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from openfaith_sync.domain.connections.connection import HeldCredentials, OAuthClient, OAuthTokens
from openfaith_sync.domain.ids import AccountId
from openfaith_sync.domain.ratelimit.budget import Budget, Grant, Visit

Exchange = Callable[[OAuthTokens], OAuthTokens]
"""Exchanges a refresh token for new tokens. Its errors tell what happened to the token: ``ReconnectRequired``, the
grant was revoked or expired; ``AnswerLost``, the token may have been used; any other ``SyncError``, it was not used."""


class Tokens(Protocol):
    """The credentials of one connection, shared by all processes that use it."""

    def refresh(self, version: int, exchange: Exchange, *, is_refused: bool) -> HeldCredentials:
        """Return credentials newer than this version: stored ones, or else the result of the exchange.

        Raises:
            ReconnectRequired: The credentials cannot be renewed; this is recorded for all processes.
            AnswerLost: The refresh token may have been used, but the access token is not rejected yet.
            TransientError: The credentials cannot be renewed now; try again later.
        """

    def refuse(self, version: int, reason: str) -> HeldCredentials | None:
        """Record for all processes that the source rejects this version; return a newer one if there is one."""


class Ledger(Protocol):
    """Distributes the rate limit budget of one connection among all processes that use it."""

    def visit(self, bucket: str, assumed: Budget, visit: Visit) -> Grant:
        """Report to one bucket, and return the slots granted; ``assumed`` is the budget of a new bucket.

        Raises:
            TransientError: The ledger cannot be reached; nothing may be sent.
        """


class Breaker(Protocol):
    """The circuit breaker of a source, shared by all processes. Costs nothing while the source responds."""

    def admit(self) -> None:
        """Admit a request.

        Raises:
            SourceAway: The source is unreachable, and the next probe is not due.
        """

    def note_answer(self) -> None:
        """Record that the source responded, whatever the status."""

    def end_probe(self) -> None:
        """End this thread's probe, if it ran one, whatever the result."""

    def note_failure(self, request: str, reason: str, lasted: timedelta) -> bool:
        """Record a failed request and its duration; return whether another request should find out why."""


class Accounts(Protocol):
    """The source's account that one connection belongs to, shared by all processes that use it."""

    def learn(self, stated: AccountId) -> AccountId:
        """Store the account unless one is already stored, and return the stored one.

        Raises:
            TransientError: The account cannot be stored now.
        """


class SharedState(Protocol):
    """The state that all processes that use one connection share."""

    @property
    def tokens(self) -> Tokens:
        """Return the credentials."""

    @property
    def account(self) -> Accounts:
        """Return the account that the connection belongs to."""

    @property
    def client(self) -> OAuthClient | None:
        """Return this deployment's OAuth client at the source, if one is configured."""

    @property
    def ledger(self) -> Ledger:
        """Return the ledger of the rate limit budget."""

    @property
    def breaker(self) -> Breaker:
        """Return the circuit breaker of the source."""
