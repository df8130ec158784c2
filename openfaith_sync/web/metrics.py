"""``GET /metrics``: the state of the deployment and what it did, for Prometheus."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.store.admin.metrics import (
    EndedPasses,
    Family,
    count_problems,
    load_ended,
    load_gauges,
    load_refusals,
)
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.database.database import Database
from openfaith_sync.web.delivery_counts import DeliveryCounts
from openfaith_sync.web.responses import NOT_FOUND

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")
_OF_MODES = {
    "openfaith_requests": "Requests that passes sent.",
    "openfaith_pass_seconds": "Time from the start of passes to their end.",
    "openfaith_wait_seconds": "Time that passes waited for the rate limit and between retries.",
}
_CHANGES = ("created", "updated", "unchanged", "tombstoned", "rejected")


Totals = dict[tuple[str, ...], float]


class Metrics:
    """Answers scrapes. Used from one event loop.

    Counters begin at zero when the process starts, as Prometheus expects: passes that ended before are not in them.
    """

    def __init__(
        self,
        database: Database,
        deliveries: DeliveryCounts,
        seconds_between_queries: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count from now on; the first scrape opens a connection."""
        self._database, self._seconds, self._clock = database, seconds_between_queries, clock
        self._state = _State(deliveries)
        self._registry = CollectorRegistry()
        self._registry.register(self._state)
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def respond(self, request: Request) -> Response:
        """Return all metrics; 404 for requests that came through a proxy, since metrics are not for the public."""
        if any(header in request.headers for header in _FORWARDED):
            return NOT_FOUND
        async with self._lock:
            if self._clock() - self._asked_at >= self._seconds:
                await asyncio.to_thread(self._ask)
                self._asked_at = self._clock()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return PlainTextResponse(encode(self._registry), headers={"Content-Type": content_type})

    def _ask(self) -> None:
        try:
            gauges = [*load_gauges(self._database), count_problems(list_problems(self._database))]
            refusals = load_refusals(self._database)
            ended = load_ended(self._database, self._state.counted_until)
        except SyncError:
            # Old figures would look like the present ones.
            self._state.forget_gauges()
            return
        self._state.take(gauges, refusals, ended)


class _State(Collector):
    """The figures of the last query, and the totals since the process started."""

    def __init__(self, deliveries: DeliveryCounts) -> None:
        self._deliveries = deliveries
        self._gauges: Sequence[Family] = ()
        self._refusals: Mapping[str, float] = {}
        self._is_reachable = False
        self._passes: Totals = defaultdict(float)
        self._records: Totals = defaultdict(float)
        self._of_modes: dict[str, Totals] = {name: defaultdict(float) for name in _OF_MODES}
        self.counted_until: datetime | None = None

    def take(self, gauges: Sequence[Family], refusals: Mapping[str, float], ended: EndedPasses) -> None:
        """Replace the gauges, and add what has ended."""
        self._gauges, self._refusals, self._is_reachable = gauges, refusals, True
        self.counted_until = ended.until
        for adapter, mode, status, count, requests, seconds, waited in ended.passes:
            self._passes[adapter, mode, status] += count
            for name, figure in zip(_OF_MODES, (requests, seconds, waited), strict=True):
                self._of_modes[name][adapter, mode] += figure
        for adapter, entity, *figures in ended.records:
            for change, count in zip(_CHANGES, figures, strict=True):
                self._records[adapter, entity, change] += count

    def forget_gauges(self) -> None:
        """Show no state, and that the database is unreachable; what was counted stays."""
        self._gauges, self._is_reachable = (), False

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield GaugeMetricFamily(
            "openfaith_database_up", "Whether the database answered the last query.", value=float(self._is_reachable)
        )
        for family in self._gauges:
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for labels, value in family.values:
                gauge.add_metric(labels, value)
            yield gauge
        yield _counter("openfaith_passes", "Passes that ended.", ("adapter", "mode", "status"), self._passes)
        yield _counter("openfaith_records", "Records of passes.", ("adapter", "entity", "change"), self._records)
        for name, text in _OF_MODES.items():
            yield _counter(name, text, ("adapter", "mode"), self._of_modes[name])
        yield _counter(
            "openfaith_rate_limited",
            "Answers with status 429.",
            ("adapter",),
            {(adapter,): count for adapter, count in self._refusals.items()},
        )
        yield _counter(
            "openfaith_deliveries",
            "Webhook deliveries that this process received.",
            ("outcome",),
            {(outcome,): count for outcome, count in self._deliveries.totals.items()},
        )


def _counter(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> CounterMetricFamily:
    counter = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        counter.add_metric(key, value)
    return counter
