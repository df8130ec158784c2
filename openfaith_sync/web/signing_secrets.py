"""The secrets that are believed, kept for a short time: most deliveries only cost their storing."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from openfaith_sync.domain.ids import AdapterName, OrgId

Secrets: TypeAlias = Mapping[str, tuple[bytes, ...]]
"""By event name, the one in force first."""

_MOST_ORGS = 10_000
# Wrong signatures must not become a query each.
_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    found: "asyncio.Future[Secrets]"


class SigningSecrets:
    """The secrets of each org; those of an org that is not known are kept as none, like all others."""

    def __init__(
        self,
        load: Callable[[OrgId, AdapterName], Awaitable[Secrets]],
        kept_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know none yet; ``load`` gives those of an org, and may fail."""
        self._load, self._kept_seconds, self._clock = load, kept_seconds, clock
        self._looks: OrderedDict[tuple[OrgId, AdapterName], _Look] = OrderedDict()

    async def find(self, org: OrgId, adapter: AdapterName) -> Secrets:
        """Return an org's secrets, as they were a short time ago or are now."""
        return await self._find(org, adapter, self._kept_seconds)

    async def find_newest(self, org: OrgId, adapter: AdapterName) -> Secrets:
        """Return an org's secrets as they are now: what is kept matched no signature."""
        return await self._find(org, adapter, _SECONDS_BETWEEN_LOOKS)

    async def _find(self, org: OrgId, adapter: AdapterName, kept_seconds: float) -> Secrets:
        key = (org, adapter)
        look = self._looks.get(key)
        is_lost = look is not None and look.found.done() and (look.found.cancelled() or look.found.exception())
        if look is None or is_lost or self._clock() - look.at >= kept_seconds:
            # All who ask meanwhile wait for the same answer.
            look = _Look(self._clock(), asyncio.ensure_future(self._load(org, adapter)))
            look.found.add_done_callback(_retrieve)
            self._looks[key] = look
            if len(self._looks) > _MOST_ORGS:
                self._looks.popitem(last=False)
        self._looks.move_to_end(key)
        return await asyncio.shield(look.found)


def _retrieve(found: "asyncio.Future[Secrets]") -> None:
    """Take note of a failure, also when all who waited for it have given up."""
    if not found.cancelled():
        found.exception()
