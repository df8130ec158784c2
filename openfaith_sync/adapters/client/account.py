"""Checks that every response belongs to the connection's own account at the source."""

import threading
from collections.abc import Callable, Iterable

from openfaith_sync.domain.connections.connection import Connection, another_account
from openfaith_sync.domain.ids import AccountId

MAX_UNCONFIRMED_ABSENCES = 20
"""How many "not found" responses are accepted before the source must state its account again. They state
no account themselves, and credentials of another account would find none of our records."""


class AccountGuard:
    """Rejects responses from any account but the connection's own. Thread-safe."""

    def __init__(
        self,
        connection: Connection,
        learn: Callable[[AccountId], AccountId] | None = None,
        *,
        is_stated: bool = True,
        is_stated_in_answers: bool = True,
    ) -> None:
        """Start from the connection's account.

        If the source does not state its account in every response (``is_stated_in_answers`` is false), it is
        asked for its account before the first response is accepted. If it never states one (``is_stated`` is
        false), nothing is checked. If the connection has no account yet, the first one that the source states
        is passed to ``learn``, which stores it unless another process already stored one, and returns the
        stored one. Without ``learn``, this guard alone remembers it.
        """
        self._is_stated, self._connection = is_stated, connection
        self._needs_first_check = is_stated and not is_stated_in_answers
        self._known, self._learn = connection.account, learn
        self._turn = threading.Lock()
        self._unconfirmed = MAX_UNCONFIRMED_ABSENCES

    def check(self, accounts: Iterable[AccountId]) -> None:
        """Check that all accounts that a response states are the connection's.

        Raises:
            AnotherAccount: The response belongs to another account; nothing in it may be stored.
            TransientError: The database could not store the first account.
        """
        for stated in accounts:
            known = self._known or self._learn_first(stated)
            if stated != known:
                raise another_account(self._connection.org, self._connection.adapter, known, stated)
            self._unconfirmed = 0

    def needs_check(self) -> bool:
        """Count one "not found"; return whether the source must state its account before it is accepted."""
        self._unconfirmed += 1
        return self._is_stated and self._unconfirmed > MAX_UNCONFIRMED_ABSENCES

    @property
    def needs_first_check(self) -> bool:
        """Return whether the source must state its account before any response is accepted."""
        return self._needs_first_check

    def note_checked(self) -> None:
        """Record that the source was asked for its account, and that it is the connection's."""
        self._unconfirmed, self._needs_first_check = 1, False

    def _learn_first(self, stated: AccountId) -> AccountId:
        with self._turn:
            if self._known is None:
                self._known = self._learn(stated) if self._learn else stated
            return self._known
