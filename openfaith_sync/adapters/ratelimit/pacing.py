"""Takes the slots that a request needs: one of the common budget, and one of the deep budget for deep offsets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from openfaith_sync.adapters.ports.shared_state import Ledger
from openfaith_sync.adapters.ratelimit.budget_share import BudgetShare, LocalLedger, Slot
from openfaith_sync.adapters.ratelimit.rate_limit_headers import StatedLimit
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.ratelimit.budget import COMMON, DEEP, Budget
from openfaith_sync.domain.ratelimit.lanes import Lane


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to send one request; end it with ``answered``, ``refused`` or ``lost``."""

    waited: timedelta
    common: tuple[BudgetShare, Slot]
    deep: tuple[BudgetShare, Slot] | None = None
    deep_limit: int = 0

    def answered(self, stated: StatedLimit) -> None:
        """Record the response, and the limit that it states."""
        whose, other = self._by_budget(stated)
        whose[0].learn(whose[1], stated)
        if other:
            other[0].learn(other[1], StatedLimit())

    def refused(self, stated: StatedLimit, retry_after: timedelta | None) -> None:
        """Report to all processes that the source rejected the request because of its rate limit."""
        whose, other = self._by_budget(stated)
        if other:
            other[0].learn(other[1], StatedLimit())
        whose[0].refuse(whose[1], stated, retry_after)

    def lost(self) -> None:
        """Count a request without a response as spent."""
        for share, slot in filter(None, (self.common, self.deep)):
            share.lose(slot)

    def _by_budget(self, stated: StatedLimit) -> tuple[tuple[BudgetShare, Slot], tuple[BudgetShare, Slot] | None]:
        """Return the budget that a response's headers describe, and the other one that the request used."""
        # Headers of a deep request may state either limit; the value shows which one it is.
        if self.deep and (stated.limit is None or stated.limit <= self.deep_limit):
            return self.deep, self.common
        return self.common, self.deep


class RateLimiter:
    """One process's shares of a connection's budgets. Thread-safe."""

    def __init__(
        self,
        adapter: AdapterFile,
        ledger: Ledger | None,
        lane: Lane,
        share: Callable[[Ledger, str, Budget, Lane], BudgetShare] = BudgetShare,
    ) -> None:
        """Assume the manifest's limits until a response states others; without a ledger, share with no process."""
        ledger = ledger or LocalLedger()
        rate, deep = adapter.rate_limit, adapter.paging.deep_offset
        self._common = share(ledger, COMMON, Budget(rate.assumed_limit, rate.assumed_period_seconds), lane)
        self._deep = share(ledger, DEEP, Budget(deep.requests, deep.period_seconds), lane) if deep else None
        self._deep_limit = deep.requests if deep else 0

    def take(self, until: float, *, is_deep: bool = False) -> Permit:
        """Wait until one more request may be sent, at most until this moment of the monotonic clock.

        Raises:
            BudgetExhausted: No request may be sent by then.
            LedgerUnreachable: The ledger could not be reached.
        """
        if self._deep is None or not is_deep:
            slot = self._common.take(until)
            return Permit(slot.waited, (self._common, slot))
        # The scarcer one first: a common slot held while waiting for a deep one is lost to all other requests.
        needed = (self._deep, self._common)
        held: dict[BudgetShare, Slot] = {}
        waited = timedelta()
        try:
            # A slot may expire while waiting for the other one, and is then taken again. The loop ends once
            # both are valid at the same time, or at the moment given.
            while lacking := [share for share in needed if share not in held or not share.is_valid(held[share])]:
                share = lacking[0]
                if share in held:
                    share.lose(held.pop(share))
                held[share] = share.take(until)
                waited += held[share].waited
        except BaseException:  # Ctrl-C too: an unreleased slot would count as in flight; raised again
            for share, slot in held.items():
                share.lose(slot)
            raise
        return Permit(waited, (self._common, held[self._common]), (self._deep, held[self._deep]), self._deep_limit)

    def close(self) -> None:
        """Return unused slots, for other processes to use."""
        self._common.close()
        if self._deep:
            self._deep.close()
