"""Gather what is known of one org before its syncs run, and predict them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

from openfaith_sync.domain.connections.connection import Connection, ConnectionStatus
from openfaith_sync.domain.connections.scopes import without_refused
from openfaith_sync.domain.connections.selection import find_unselected, select_entities
from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.windows import open_window
from openfaith_sync.domain.planning.entity_costs import EntityCost, predict_costs
from openfaith_sync.domain.planning.entity_facts import EntityFacts
from openfaith_sync.domain.planning.run_forecast import RunForecast, plan_unseen_org, predict_runs
from openfaith_sync.domain.planning.run_time import USUAL_LATENCY_SECONDS, Pace
from openfaith_sync.domain.ratelimit.budget import COMMON, Budget
from openfaith_sync.domain.schedule.cadences import cadence_of
from openfaith_sync.engine.planning.source_view import SourceLook
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.store.admin.plan_facts import load_stored_facts
from openfaith_sync.store.connections.unavailable_entities import load_refused
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import list_inboxes
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.ratelimit.budgets import load_budget
from openfaith_sync.store.schedule.intervals import load_intervals
from openfaith_sync.store.schedule.planned_work import load_planned
from openfaith_sync.store.schedule.work import Plan

ATTEMPTS, PATIENCE = 2, timedelta(seconds=20)
"""A person waits; without an answer, the plan is made from what is stored."""


@dataclass(frozen=True, slots=True)
class OrgPlan:
    """The predicted runs of one org's connection."""

    runs: tuple[RunForecast, ...]
    pace: Pace
    requests: int
    """The requests that this plan took."""
    is_source_asked: bool
    planned_at: datetime
    """By the database's clock."""
    costs: tuple[EntityCost, ...] = ()
    """What each entity costs while nothing changes."""
    remark: str | None = None
    """Why nothing runs, or why the source was not asked."""

    def predict_seconds(self, run: RunForecast) -> tuple[float, float] | None:
        """Return the shortest and the longest time that a run is expected to take; ``None`` if unknown."""
        is_later = run.due is not None and run.due > self.planned_at + timedelta(seconds=self.pace.period)
        return run.predict_seconds(self.pace.at_rest() if is_later else self.pace)


def plan_org(
    database: Database, manifest: Manifest, connection: Connection, *, is_offline: bool, with_costs: bool = False
) -> OrgPlan:
    """Return the plan of an org, from what is stored and what a few requests find at the source.

    With costs, one request more counts each window that a comparison covers.

    Raises:
        SyncError: The source refuses the credentials.
    """
    org, adapter = connection.org, connection.adapter
    unselected = find_unselected(manifest, connection.only, connection.sensitive)
    synced = ensure_tables(database, manifest).without_sideloads(unselected)
    planned = load_planned(database, Plan.of(synced, synced.graph.entities), org)
    chosen = select_entities(manifest, connection.only, connection.sensitive)
    stored = load_stored_facts(database, synced, org, chosen)
    facts = _load_facts(database, synced, connection, stored, planned.now)
    remark, requests, latency = _why_not_asked(connection), 0, USUAL_LATENCY_SECONDS
    windows: dict[EntityName, int] = {}
    is_asked = not is_offline and remark is None
    if is_asked:
        try:
            facts, requests, latency = _ask_source(database, manifest, connection, facts)
            if with_costs:
                windows = _count_windows(database, manifest, connection, facts, planned.now)
        except TransientError as error:
            is_asked, remark = False, f"the source does not answer, so this is predicted from what is stored: {error}"
    rate = manifest.adapter_file.rate_limit
    assumed = Budget(rate.assumed_limit, rate.assumed_period_seconds)
    budget, now = load_budget(database, org, adapter, COMMON, assumed)
    own = load_intervals(database, org, adapter)
    cadences = {name: cadence_of(synced.entities[name], own) for name in facts}
    is_synced = all(one.checkpoint.completed_at is not None for one in stored.values())
    works = planned.works or plan_unseen_org(org, adapter, planned.now, planned.time_zone, is_synced=is_synced)
    waiting = sum(inbox.waiting for inbox in list_inboxes(database, org) if inbox.adapter == adapter)
    return OrgPlan(
        runs=tuple(predict_runs(synced, facts, works, waiting)),
        pace=Pace.of(budget, now, latency, manifest.adapter_file.paging),
        requests=requests,
        is_source_asked=is_asked,
        planned_at=planned.now,
        costs=tuple(predict_costs(synced, facts, cadences, windows)) if with_costs else (),
        remark=remark,
    )


def _why_not_asked(connection: Connection) -> str | None:
    if connection.status is ConnectionStatus.ACTIVE:
        return None
    return f"nothing runs while the connection is {connection.status.value.replace('_', ' ')}"


def _load_facts(
    database: Database,
    manifest: Manifest,
    connection: Connection,
    stored: Mapping[EntityName, EntityFacts],
    now: datetime,
) -> dict[EntityName, EntityFacts]:
    """Return the facts of each entity, with a reason for one that cannot be synced."""
    refused = load_refused(database, manifest, now, connection.org).get(connection.org, {})
    graph = manifest.graph
    readable = without_refused(graph.entities, refused.keys(), graph.hard)
    reasons = {name: f"{refusal.title}: {refusal}" for name, refusal in refused.items()}
    return {
        name: one if name in readable else replace(one, refusal=reasons.get(name, "what it depends on is not synced"))
        for name, one in stored.items()
    }


def _ask_source(
    database: Database, manifest: Manifest, connection: Connection, facts: Mapping[EntityName, EntityFacts]
) -> tuple[dict[EntityName, EntityFacts], int, float]:
    """Return the facts with what the source shows, the requests that took, and the seconds of one."""
    found, requests, began = dict(facts), 0, monotonic()
    with open_session(database, manifest, connection, attempts=ATTEMPTS, patience=PATIENCE) as session:
        for name, one in facts.items():
            if manifest.entities[name].nested is None and one.refusal is None:
                look = SourceLook(session, name)
                view = look.look()
                found[name] = replace(one, source=view, refusal=view.refusal)
                requests += look.requests
    return found, requests, (monotonic() - began) / max(1, requests)


def _count_windows(
    database: Database,
    manifest: Manifest,
    connection: Connection,
    facts: Mapping[EntityName, EntityFacts],
    now: datetime,
) -> dict[EntityName, int]:
    """Return how many records lie within the windows that comparisons cover, where the source counts them."""
    found: dict[EntityName, int] = {}
    with open_session(database, manifest, connection, attempts=ATTEMPTS, patience=PATIENCE) as session:
        for name, one in facts.items():
            window = manifest.entities[name].cadence.reconcile_window
            if window is None or one.refusal is not None:
                continue
            page = session.source.read_page(ListingQuery(name, size=1, within=open_window(window, now)))
            if page.total_count is not None:
                found[name] = page.total_count
    return found
