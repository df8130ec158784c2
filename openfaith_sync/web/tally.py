"""How many deliveries ended how; said in one line a minute, so that no flood of them floods the log."""

import asyncio
import logging
from collections import Counter

_LOG = logging.getLogger("openfaith_sync.web")
_SECONDS = 60


class Tally:
    """Counts outcomes. Used from one event loop."""

    def __init__(self) -> None:
        """Have counted nothing."""
        self._since_said: Counter[str] = Counter()

    def note(self, outcome: str) -> None:
        """Count one."""
        self._since_said[outcome] += 1

    async def run(self) -> None:
        """Say the counts of each minute in which there were any."""
        while True:
            await asyncio.sleep(_SECONDS)
            self.say()

    def say(self) -> None:
        """Say what was counted since this was last said."""
        counts, self._since_said = self._since_said, Counter()
        if counts:
            said = ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items()))
            _LOG.info("deliveries in the last minute: %s", said)
