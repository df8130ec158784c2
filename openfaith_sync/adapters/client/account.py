"""Which of the source's accounts an answer or event belongs to, and whether that is the connection's own."""

import threading
from collections.abc import Callable, Iterable

from openfaith_sync.domain.connections.connection import Connection, another_account
from openfaith_sync.domain.ids import AccountId

MOST_UNPROVEN = 20
"""Answers of "not found" that are believed since the source last stated its account. They state none
themselves, and another account's credentials find nothing of ours."""


class AccountGuard:
    """Holds one connection to one account of its source. Safe to use from several threads."""

    def __init__(
        self,
        connection: Connection,
        learn: Callable[[AccountId], AccountId] | None = None,
        *,
        is_stated: bool = True,
        is_stated_in_answers: bool = True,
    ) -> None:
        """Start from the connection's account.

        Where the source states it only when asked (``is_stated_in_answers``), it is asked before the first
        answer is believed; where it never does (``is_stated``), nothing is held to an account.
        Where it has none, the first one stated is passed to ``learn``, which stores it unless another
        process was first, and returns the one stored. Without ``learn`` it holds for this guard only.
        """
        self._is_stated, self._connection = is_stated, connection
        self._wants_first_proof = is_stated and not is_stated_in_answers
        self._known, self._learn = connection.account, learn
        self._turn = threading.Lock()
        self._unproven = MOST_UNPROVEN

    def check(self, accounts: Iterable[AccountId]) -> None:
        """Return if all accounts that an answer states are the connection's.

        Raises:
            AnotherAccount: It is of another one; nothing in it may be stored.
            TransientError: The database cannot store the first account stated.
        """
        for stated in accounts:
            known = self._known or self._learn_first(stated)
            if stated != known:
                raise another_account(self._connection.org, self._connection.adapter, known, stated)
            self._unproven = 0

    def wants_proof(self) -> bool:
        """Return whether the source must state its account before a "not found" is believed, and count that one."""
        self._unproven += 1
        return self._is_stated and self._unproven > MOST_UNPROVEN

    @property
    def wants_first_proof(self) -> bool:
        """Whether the source must state its account before any answer is believed."""
        return self._wants_first_proof

    def note_proof(self) -> None:
        """Note that the source was asked for its account and contradicted nothing."""
        self._unproven, self._wants_first_proof = 1, False

    def _learn_first(self, stated: AccountId) -> AccountId:
        with self._turn:
            if self._known is None:
                self._known = self._learn(stated) if self._learn else stated
            return self._known
