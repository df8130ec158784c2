"""Token buckets: how many of something each one may still have."""

import ipaddress
import time
from collections.abc import Callable, Hashable

_MOST_BUCKETS = 10_000


class TokenBuckets:
    """A bucket for each key, full at first and filled again at a steady rate. Used from one thread."""

    def __init__(self, burst: int, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold no bucket: a key that was never seen has a full one."""
        self._burst, self._per_second, self._clock = float(burst), per_second, clock
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def seconds_until_free(self, key: Hashable) -> float:
        """Return 0 when there is a token, else how long until there is one."""
        return max(0.0, (1 - self._tokens(key)) / self._per_second)

    def take(self, key: Hashable) -> None:
        """Take a token, or what there is of one."""
        left = max(0.0, self._tokens(key) - 1)
        if len(self._buckets) >= _MOST_BUCKETS and key not in self._buckets:
            self._forget_full()
        self._buckets[key] = (left, self._clock())

    def _tokens(self, key: Hashable) -> float:
        found = self._buckets.get(key)
        if found is None:
            return self._burst
        left, since = found
        return min(self._burst, left + (self._clock() - since) * self._per_second)

    def _forget_full(self) -> None:
        """Forget the buckets that are full again; were none, the fullest half goes, so that memory has a bound."""
        kept = {key: found for key, found in self._buckets.items() if self._tokens(key) < self._burst}
        if len(kept) >= _MOST_BUCKETS:
            emptiest = sorted(kept, key=self._tokens)[: _MOST_BUCKETS // 2]
            kept = {key: kept[key] for key in emptiest}
        self._buckets = kept


def address_key(host: str | None) -> Hashable:
    """Return what stands for a client: its address, or for IPv6 its network, whose addresses cost nothing."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host
    return ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address  # noqa: PLR2004
