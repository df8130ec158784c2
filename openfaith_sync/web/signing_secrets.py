"""Cache signing secrets for a short time, so that most deliveries cost only their storing."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from openfaith_sync.domain.ids import AdapterName, OrgId

Secrets: TypeAlias = Mapping[str, tuple[bytes, ...]]
"""By event name, the current secret first."""

_MAX_ORGS = 10_000
# Deliveries with wrong signatures must not cause a query each.
_MIN_SECONDS_BETWEEN_QUERIES = 1.0


@dataclass(frozen=True, slots=True)
class _CachedSecrets:
    at: float
    secrets: "asyncio.Future[Secrets]"


class SigningSecrets:
    """The secrets of each org; for an unknown org, the absence of secrets is cached like all others."""

    def __init__(
        self,
        load: Callable[[OrgId, AdapterName], Awaitable[Secrets]],
        cache_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with an empty cache; ``load`` returns the secrets of an org, and may fail."""
        self._load, self._cache_seconds, self._clock = load, cache_seconds, clock
        self._cache: OrderedDict[tuple[OrgId, AdapterName], _CachedSecrets] = OrderedDict()

    async def find(self, org: OrgId, adapter: AdapterName) -> Secrets:
        """Return an org's secrets, from the cache if recent enough."""
        return await self._find(org, adapter, self._cache_seconds)

    async def find_newest(self, org: OrgId, adapter: AdapterName) -> Secrets:
        """Return an org's current secrets, after the cached ones matched no signature."""
        return await self._find(org, adapter, _MIN_SECONDS_BETWEEN_QUERIES)

    async def _find(self, org: OrgId, adapter: AdapterName, cache_seconds: float) -> Secrets:
        key = (org, adapter)
        entry = self._cache.get(key)
        is_lost = (
            entry is not None and entry.secrets.done() and (entry.secrets.cancelled() or entry.secrets.exception())
        )
        if entry is None or is_lost or self._clock() - entry.at >= cache_seconds:
            # Concurrent requests wait for the same query.
            entry = _CachedSecrets(self._clock(), asyncio.ensure_future(self._load(org, adapter)))
            entry.secrets.add_done_callback(_retrieve)
            self._cache[key] = entry
            if len(self._cache) > _MAX_ORGS:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return await asyncio.shield(entry.secrets)


def _retrieve(secrets: "asyncio.Future[Secrets]") -> None:
    """Retrieve the exception even if all waiting requests were cancelled."""
    if not secrets.cancelled():
        secrets.exception()
