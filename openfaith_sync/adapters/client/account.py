"""Which of the source's accounts an answer or event belongs to, and whether that is the connection's own."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from openfaith_sync.domain.connections.connection import Connection, another_account
from openfaith_sync.domain.ids import AccountId
from openfaith_sync.domain.manifest.adapter_file import Account

MOST_UNPROVEN = 20
"""Answers of "not found" that are believed since the source last stated its account. They state none
themselves, and another account's credentials find nothing of ours."""


def stated_accounts(declared: Account, places: Sequence[str], document: Mapping[str, Any]) -> Iterator[AccountId]:
    """Yield the account that a document states at each of these places; an id that is a number is its text."""
    for place in places:
        found: Any = document
        for step in place.split("/")[1:]:
            found = found.get(step) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping) and found.get("type") == declared.resource:
            identity = found.get("id")
            if type(identity) in (str, int) and identity != "":
                yield AccountId(str(identity))


class AccountGuard:
    """Holds one connection to one account of its source. Safe to use from several threads."""

    def __init__(
        self, declared: Account | None, connection: Connection, learn: Callable[[AccountId], AccountId] | None = None
    ) -> None:
        """Start from the connection's account.

        Where it has none, the first one stated is passed to ``learn``, which stores it unless another
        process was first, and returns the one stored. Without ``learn`` it holds for this guard only.
        """
        self._declared, self._connection = declared, connection
        self._known, self._learn = connection.account, learn
        self._turn = threading.Lock()
        self._unproven = MOST_UNPROVEN

    def check(self, body: Mapping[str, Any]) -> None:
        """Return if an answer is of the connection's account, or states none.

        Raises:
            AnotherAccount: It is of another one; nothing in it may be stored.
            TransientError: The database cannot store the first account stated.
        """
        if self._declared is None:
            return
        for stated in stated_accounts(self._declared, self._declared.in_answers, body):
            known = self._known or self._learn_first(stated)
            if stated != known:
                raise another_account(self._connection.org, self._connection.adapter, known, stated)
            self._unproven = 0

    def wants_proof(self) -> bool:
        """Return whether the source must state its account before a "not found" is believed, and count that one."""
        self._unproven += 1
        return self._declared is not None and self._unproven > MOST_UNPROVEN

    def note_proof(self) -> None:
        """Note that the source was asked for its account and contradicted nothing."""
        self._unproven = 1

    def _learn_first(self, stated: AccountId) -> AccountId:
        with self._turn:
            if self._known is None:
                self._known = self._learn(stated) if self._learn else stated
            return self._known
