"""What a client of a source needs of others, as Protocols: implemented by the store, handed in by callers."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from openfaith_sync.domain.connections.connection import HeldCredentials, OAuthClient, OAuthTokens
from openfaith_sync.domain.ids import AccountId
from openfaith_sync.domain.ratelimit.budget import Budget, Grant, Visit

Exchange = Callable[[OAuthTokens], OAuthTokens]
"""Spends the refresh token of those that are held. What it raises says what became of the token: ``ReconnectRequired``,
the grant is gone; ``AnswerLost``, it may be spent; every other ``SyncError``, the source surely did nothing."""


class Tokens(Protocol):
    """The credentials of one connection, as all processes that use it share them."""

    def refresh(self, version: int, exchange: Exchange, *, is_refused: bool) -> HeldCredentials:
        """Return newer credentials than this version: those that are stored, or else what the exchange gives.

        Raises:
            ReconnectRequired: There is nothing to get newer ones with; noted for all.
            AnswerLost: They are not refused yet, and their refresh token may be spent.
            TransientError: Not now.
        """

    def refuse(self, version: int, reason: str) -> HeldCredentials | None:
        """Note for all that the source refuses this version, and give the newer one where there is one."""


class Ledger(Protocol):
    """Where all processes that use one connection agree on who sends how many requests."""

    def visit(self, bucket: str, assumed: Budget, visit: Visit) -> Grant:
        """Settle a visit to one bucket; ``assumed`` is what is believed of one that nobody visited yet.

        Raises:
            TransientError: The ledger cannot be reached: nothing may be sent.
        """


class Breaker(Protocol):
    """What all processes know of whether a source is there. Costs nothing while it is."""

    def admit(self) -> None:
        """Let a request go out.

        Raises:
            SourceAway: The source is away, and it is not time for a probe.
        """

    def note_answer(self) -> None:
        """Note that the source answered, whatever it said."""

    def end_probe(self) -> None:
        """Let a probe of this thread be over, if it was one, whatever it found out."""

    def note_failure(self, request: str, reason: str, lasted: timedelta) -> bool:
        """Note that a request found nobody for so long; says whether another one is wanted to tell why."""


class Accounts(Protocol):
    """Which of the source's accounts one connection belongs to, for all processes that use it."""

    def learn(self, stated: AccountId) -> AccountId:
        """Store the account unless one is stored, and return the one that is.

        Raises:
            TransientError: Not now.
        """


class Shared(Protocol):
    """What all processes that use one connection have in common."""

    @property
    def tokens(self) -> Tokens:
        """Return its credentials."""

    @property
    def account(self) -> Accounts:
        """Return the account that it belongs to."""

    @property
    def client(self) -> OAuthClient | None:
        """Return who this deployment is to the source."""

    @property
    def ledger(self) -> Ledger:
        """Return where its budget is shared."""

    @property
    def breaker(self) -> Breaker:
        """Return what is known of whether its source is there."""
