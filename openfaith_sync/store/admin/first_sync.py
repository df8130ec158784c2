"""How far an org's first sync is, from what is stored."""

from dataclasses import replace

from openfaith_sync.domain.connections.scopes import without_refused
from openfaith_sync.domain.connections.selection import select_entities
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.first_sync import FirstSync
from openfaith_sync.domain.planning.first_sync import judge_first_sync
from openfaith_sync.domain.planning.run_time import USUAL_LATENCY_SECONDS, Pace
from openfaith_sync.domain.ratelimit.budget import COMMON, Budget
from openfaith_sync.store.admin.plan_facts import load_stored_facts
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.connections.unavailable_entities import load_refused
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.ratelimit.budgets import load_budget
from openfaith_sync.store.schedule.work import load_now

_COMPLETE = """
SELECT entity FROM sync.checkpoints WHERE org_id = %s AND adapter = %s AND completed_at IS NOT NULL
"""


def load_first_sync(database: Database, manifest: Manifest, org: OrgId) -> FirstSync | None:
    """Return how far the first sync of an org is; ``None`` if it is not connected or all was synced before.

    Costs one statement where nothing is left, and else a few for each entity.
    """
    adapter = manifest.adapter
    connection = next((one for one in list_connections(database, org) if one.adapter == adapter), None)
    if connection is None:
        return None
    chosen = select_entities(manifest, connection.only, connection.sensitive)
    if not set(chosen) - _complete(database, org, adapter):
        return None
    synced = manifest.without_sideloads(manifest.entities.keys() - set(chosen))
    refused = load_refused(database, synced, load_now(database), org).get(org, {})
    readable = without_refused(synced.graph.entities, refused.keys(), synced.graph.hard)
    facts = {
        name: one if name in readable else replace(one, refusal="not available")
        for name, one in load_stored_facts(database, synced, org, chosen).items()
    }
    rate, paging = manifest.adapter_file.rate_limit, manifest.adapter_file.paging
    assumed = Budget(rate.assumed_limit, rate.assumed_period_seconds)
    budget, now = load_budget(database, org, adapter, COMMON, assumed)
    return judge_first_sync(synced, facts, Pace.of(budget, now, USUAL_LATENCY_SECONDS, paging))


def _complete(database: Database, org: OrgId, adapter: AdapterName) -> set[str]:
    with database.connect(org) as connection:
        return {entity for (entity,) in connection.execute(_COMPLETE, (org, adapter)).fetchall()}
