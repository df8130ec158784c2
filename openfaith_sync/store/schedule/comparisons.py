"""When the entities of an org were compared last."""

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.schedule.comparisons import Compared, Night, NightsComparisons, plan_comparisons
from openfaith_sync.domain.schedule.due_work import Work
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.intervals import load_own_intervals
from openfaith_sync.store.schedule.work import Plan

_LOAD = """
SELECT entity, compared_at, whole_at, completed_at IS NOT NULL,
       EXISTS (SELECT FROM sync.deletion_candidates known
               WHERE (known.org_id, known.adapter, known.entity) = (held.org_id, held.adapter, held.entity))
       OR EXISTS (SELECT FROM sync.holds hold WHERE hold.status IN ('open', 'approved')
                  AND (hold.org_id, hold.adapter, hold.entity) = (held.org_id, held.adapter, held.entity))
FROM sync.checkpoints held
WHERE org_id = %s AND adapter = %s AND NOT starts_with(entity, '$')
"""


def load_compared(database: Database, org: OrgId, adapter: AdapterName) -> dict[EntityName, Compared]:
    """Return when each entity of an org was compared last."""
    with database.connect(org) as session:
        rows = session.execute(_LOAD, (org, adapter)).fetchall()
    return {EntityName(entity): Compared(*facts) for entity, *facts in rows}


def load_comparisons(database: Database, plan: Plan, work: Work) -> NightsComparisons:
    """Return what an org's comparison covers in the night in which it is due."""
    assert work.not_before is not None
    org, entities = work.key.org, plan.manifest.entities
    with database.connect(org) as session:
        own = load_own_intervals(session, plan.adapter, [org]).get(org, {})
    night = Night(org, work.not_before, work.time_zone)
    compared = load_compared(database, org, plan.adapter)
    return plan_comparisons((entities[name] for name in plan.entities), plan.positions, own, compared, night)
