"""Count deliveries by outcome, and log one line per minute, so that a flood of deliveries does not flood the log."""

import asyncio
import logging
from collections import Counter

_LOG = logging.getLogger("openfaith_sync.web")
_SECONDS = 60


class DeliveryCounts:
    """Counts outcomes. Used from one event loop."""

    def __init__(self) -> None:
        """Start at zero."""
        self._counts: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        """Since the process started."""

    def count(self, outcome: str) -> None:
        """Count one outcome."""
        self._counts[outcome] += 1
        self.totals[outcome] += 1

    async def run(self) -> None:
        """Log the counts of each minute that has any."""
        while True:
            await asyncio.sleep(_SECONDS)
            self.log()

    def log(self) -> None:
        """Log and reset the counts."""
        counts, self._counts = self._counts, Counter()
        if counts:
            summary = ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items()))
            _LOG.info("deliveries in the last minute: %s", summary)
