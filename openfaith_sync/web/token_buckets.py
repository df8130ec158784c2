"""Token buckets that limit the rate of each client or org."""

import ipaddress
import time
from collections.abc import Callable, Hashable

_MAX_BUCKETS = 10_000


class TokenBuckets:
    """A bucket per key, full at first and refilled at a steady rate. Used from one thread."""

    def __init__(self, burst: int, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without buckets: a key that is new has a full one."""
        self._burst, self._per_second, self._clock = float(burst), per_second, clock
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def seconds_until_free(self, key: Hashable) -> float:
        """Return 0 if a token is available, else the seconds until one is."""
        return max(0.0, (1 - self._tokens(key)) / self._per_second)

    def take(self, key: Hashable) -> None:
        """Take a token, or what is left of one."""
        left = max(0.0, self._tokens(key) - 1)
        if len(self._buckets) >= _MAX_BUCKETS and key not in self._buckets:
            self._drop_full()
        self._buckets[key] = (left, self._clock())

    def _tokens(self, key: Hashable) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return self._burst
        left, since = bucket
        return min(self._burst, left + (self._clock() - since) * self._per_second)

    def _drop_full(self) -> None:
        """Remove full buckets; if none is full, remove the fuller half, so that memory stays bounded."""
        kept = {key: bucket for key, bucket in self._buckets.items() if self._tokens(key) < self._burst}
        if len(kept) >= _MAX_BUCKETS:
            emptiest = sorted(kept, key=self._tokens)[: _MAX_BUCKETS // 2]
            kept = {key: kept[key] for key in emptiest}
        self._buckets = kept


def address_key(host: str | None) -> Hashable:
    """Return the key of a client: its address, or for IPv6 its network, since addresses within it are free."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host
    return ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address  # noqa: PLR2004
