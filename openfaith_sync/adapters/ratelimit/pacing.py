"""When a request may go out: a slot of the common budget, and one of the deep budget for what is far into a listing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from openfaith_sync.adapters.ports.shared_state import Ledger
from openfaith_sync.adapters.ratelimit.budget_share import OwnLedger, Share, Slot
from openfaith_sync.adapters.ratelimit.rate_limit_headers import StatedLimit
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.ratelimit.budget import COMMON, DEEP, Budget
from openfaith_sync.domain.ratelimit.lanes import Lane


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to send one request, to be ended in one of three ways."""

    waited: timedelta
    common: tuple[Share, Slot]
    deep: tuple[Share, Slot] | None = None
    deep_limit: int = 0

    def answered(self, stated: StatedLimit) -> None:
        """Believe what the answer said of the budget."""
        whose, other = self._whose(stated)
        whose[0].learn(whose[1], stated)
        if other:
            other[0].learn(other[1], StatedLimit())

    def refused(self, stated: StatedLimit, retry_after: timedelta | None) -> None:
        """Tell all processes that the source refuses requests for its rate."""
        whose, other = self._whose(stated)
        if other:
            other[0].learn(other[1], StatedLimit())
        whose[0].refuse(whose[1], stated, retry_after)

    def lost(self) -> None:
        """Count a request without an answer as spent."""
        for share, slot in filter(None, (self.common, self.deep)):
            share.lose(slot)

    def _whose(self, stated: StatedLimit) -> tuple[tuple[Share, Slot], tuple[Share, Slot] | None]:
        """Return the budget that an answer speaks of, and the other that the request was counted in."""
        # Headers of a deep request may state either limit; the stricter one is told by its number.
        if self.deep and (stated.limit is None or stated.limit <= self.deep_limit):
            return self.deep, self.common
        return self.common, self.deep


class Pace:
    """One process's shares of a connection's budgets. Safe to use from several threads."""

    def __init__(
        self,
        adapter: AdapterFile,
        ledger: Ledger | None,
        lane: Lane,
        share: Callable[[Ledger, str, Budget, Lane], Share] = Share,
    ) -> None:
        """Assume what the manifest says until answers say otherwise; without a ledger, be alone."""
        ledger = ledger or OwnLedger()
        rate, deep = adapter.rate_limit, adapter.paging.deep_offset
        self._common = share(ledger, COMMON, Budget(rate.assumed_limit, rate.assumed_period_seconds), lane)
        self._deep = share(ledger, DEEP, Budget(deep.requests, deep.period_seconds), lane) if deep else None
        self._deep_limit = deep.requests if deep else 0

    def take(self, until: float, *, is_deep: bool = False) -> Ticket:
        """Wait until one more request may go out, at most until this moment of the monotonic clock.

        Raises:
            BudgetUsedUp: It may not by then.
            LedgerUnreachable: It could not be asked for.
        """
        if self._deep is None or not is_deep:
            slot = self._common.take(until)
            return Ticket(slot.waited, (self._common, slot))
        # The scarcer first: a common slot that waits for a deep one is kept from everybody.
        needed = (self._deep, self._common)
        held: dict[Share, Slot] = {}
        waited = timedelta()
        try:
            # A slot lapses while the other is waited for. It is taken again beside a fresh one, so this
            # ends as soon as either comes within the validity of the other, or at the moment given.
            while lacking := [share for share in needed if share not in held or not share.is_valid(held[share])]:
                share = lacking[0]
                if share in held:
                    share.lose(held.pop(share))
                held[share] = share.take(until)
                waited += held[share].waited
        except BaseException:  # Ctrl-C too: a slot that nobody ends would count as under way; raised again
            for share, slot in held.items():
                share.lose(slot)
            raise
        return Ticket(waited, (self._common, held[self._common]), (self._deep, held[self._deep]), self._deep_limit)

    def close(self) -> None:
        """Return what is left, for others to use."""
        self._common.close()
        if self._deep:
            self._deep.close()
