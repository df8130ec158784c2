"""What the deployment's metrics are computed from: a few statements over all orgs. No data of an org is read.

Labels are adapters, entities, modes and the like, never orgs: their number must not grow with the deployment.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from openfaith_sync.domain.problems.problem import Problem
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import fetch_one


@dataclass(frozen=True, slots=True)
class Family:
    """All values of one metric at one moment."""

    name: str
    help: str
    labels: Sequence[str]
    values: Sequence[tuple[tuple[str, ...], float]]
    """The values of the labels, in their order, and the metric's value."""


@dataclass(frozen=True, slots=True)
class EndedPasses:
    """What passes did that ended within a span of time."""

    until: datetime
    """Where the next span begins."""
    passes: Sequence[tuple[str, str, str, int, int, float, float]]
    """Adapter, mode, status, passes, requests, seconds from start to end, and seconds waited."""
    records: Sequence[tuple[str, str, int, int, int, int, int]]
    """Adapter, entity, and the records created, updated, unchanged, tombstoned and rejected."""


# The statement's columns are the labels, and the value last.
_GAUGES: Sequence[tuple[str, str, Sequence[str], LiteralString]] = (
    (
        "openfaith_connections",
        "Connections of orgs by status.",
        ("adapter", "status"),
        "SELECT adapter, status, count(*) FROM sync.connections GROUP BY 1, 2",
    ),
    (
        "openfaith_freshness_seconds",
        "Time since the source of an active connection was last asked for anything: quantiles over orgs.",
        ("adapter", "quantile"),
        """
        WITH asked AS (
          SELECT connection.adapter, extract(epoch FROM now() - COALESCE(
            max(greatest(held.checked_at, held.completed_at)), connection.created_at))::float8 AS seconds
          FROM sync.connections connection LEFT JOIN sync.checkpoints held USING (org_id, adapter)
          WHERE connection.status = 'active'
          GROUP BY connection.org_id, connection.adapter, connection.created_at),
        ranked AS (
          SELECT adapter, percentile_disc(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY seconds) AS quantiles
          FROM asked GROUP BY adapter)
        SELECT adapter, quantile, seconds
        FROM ranked, unnest(ARRAY['0.5', '0.95', '0.99', '1'], quantiles) AS each (quantile, seconds)
        """,
    ),
    (
        "openfaith_open_passes",
        "Passes that have begun and not ended.",
        ("adapter", "mode"),
        """
        SELECT adapter, mode, count(*) FROM sync.passes
        WHERE status = 'open' AND parent_pass_id IS NULL GROUP BY 1, 2
        """,
    ),
    (
        "openfaith_dead_letters",
        "Records that are set aside because they could not be mapped.",
        ("adapter", "entity"),
        "SELECT adapter, entity, count(*) FROM sync.dead_letters WHERE resolved_at IS NULL GROUP BY 1, 2",
    ),
    (
        "openfaith_holds",
        "Deletions and older versions that wait for a person's decision.",
        ("adapter", "kind"),
        "SELECT adapter, kind, count(*) FROM sync.holds WHERE status = 'open' GROUP BY 1, 2",
    ),
    (
        "openfaith_inbox_events",
        "Webhook events that are stored and not yet processed.",
        ("adapter",),
        "SELECT adapter, count(*) FROM sync.webhook_events WHERE done_at IS NULL GROUP BY 1",
    ),
    (
        "openfaith_inbox_oldest_seconds",
        "Age of the oldest webhook event that is due.",
        ("adapter",),
        """
        SELECT adapter, extract(epoch FROM now() - min(received_at))::float8 FROM sync.webhook_events
        WHERE done_at IS NULL AND not_before <= now() GROUP BY 1
        """,
    ),
    (
        "openfaith_breakers_open",
        "Sources that receive only probes: of single orgs, and of whole adapters.",
        ("adapter", "scope"),
        """
        SELECT adapter, 'org', count(*) FROM sync.breakers WHERE opened_at IS NOT NULL GROUP BY 1
        UNION ALL SELECT adapter, 'adapter', count(*) FROM sync.adapter_breakers GROUP BY 1
        """,
    ),
    (
        "openfaith_alerts_open",
        "Open alerts by cause.",
        ("adapter", "cause"),
        "SELECT adapter, cause, count(*) FROM sync.alerts WHERE closed_at IS NULL GROUP BY 1, 2",
    ),
    (
        "openfaith_work_due",
        "Work that is due and that no run is at.",
        ("adapter", "mode"),
        "SELECT adapter, mode, count(*) FROM sync.work WHERE run_key IS NULL AND not_before <= now() GROUP BY 1, 2",
    ),
    (
        "openfaith_budget_used_ratio",
        "Share of the rate limit that was spent in the last period: quantiles over the connections in use.",
        ("adapter", "quantile"),
        """
        WITH used AS (
          SELECT adapter, (
              SELECT COALESCE(sum((spent.value ->> 1)::float8), 0) FROM jsonb_array_elements(budget -> 'spent') spent
              WHERE (spent.value ->> 0)::float8 > extract(epoch FROM now()) - (budget ->> 'period')::float8
            ) / greatest((budget ->> 'limit')::float8, 1) AS share
          FROM sync.budgets WHERE bucket = 'common' AND updated_at > now() - interval '1 minute'),
        ranked AS (
          SELECT adapter, percentile_disc(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY share) AS quantiles
          FROM used GROUP BY adapter)
        SELECT adapter, quantile, share
        FROM ranked, unnest(ARRAY['0.5', '0.95', '1'], quantiles) AS each (quantile, share)
        """,
    ),
)
# What has just ended may not be visible yet, so each span ends a moment ago.
_UNTIL = "SELECT now() - interval '5 seconds'"
_PASSES = """
SELECT adapter, mode, status, count(*), sum(requests), sum(extract(epoch FROM ended_at - started_at))::float8,
       COALESCE(sum(extract(epoch FROM waited)), 0)::float8
FROM sync.passes WHERE ended_at > %(after)s AND ended_at <= %(until)s GROUP BY 1, 2, 3
"""
_RECORDS = """
SELECT adapter, entity, sum(created), sum(updated), sum(unchanged), sum(tombstoned), sum(dead)
FROM sync.passes WHERE ended_at > %(after)s AND ended_at <= %(until)s GROUP BY 1, 2
"""
_REFUSALS = """
SELECT adapter, COALESCE(sum((budget ->> 'refused')::bigint), 0)::float8 FROM sync.budgets GROUP BY 1
"""


def load_gauges(database: Database) -> list[Family]:
    """Return the present state of all orgs together."""
    with database.connect_fleet() as session:
        families = []
        for name, text, labels, statement in _GAUGES:
            rows = session.execute(statement).fetchall()
            values = [(tuple(map(str, row[:-1])), float(row[-1])) for row in rows]
            families.append(Family(name, text, labels, values))
        return families


def load_ended(database: Database, after: datetime | None) -> EndedPasses:
    """Return what the passes did that have ended since; nothing, and where to begin, without a time."""
    with database.connect_fleet() as session:
        until: datetime = fetch_one(session, _UNTIL, ())[0]
        if after is None:
            return EndedPasses(until, (), ())
        span = {"after": after, "until": until}
        return EndedPasses(until, session.execute(_PASSES, span).fetchall(), session.execute(_RECORDS, span).fetchall())


def load_refusals(database: Database) -> dict[str, float]:
    """Return how often each adapter's sources answered 429, over the life of the connections there are."""
    with database.connect_fleet() as session:
        return dict(session.execute(_REFUSALS).fetchall())


def count_problems(problems: Iterable[Problem]) -> Family:
    """Return how many orgs each kind of problem affects; one of a whole adapter counts for all of them."""
    counts: Counter[tuple[str, ...]] = Counter()
    for problem in problems:
        counts[problem.adapter, problem.kind, problem.severity] += len(problem.affected_orgs)
    text = "Orgs with a problem, by its kind and by whether a person is needed."
    return Family("openfaith_problems", text, ("adapter", "kind", "severity"), list(counts.items()))
