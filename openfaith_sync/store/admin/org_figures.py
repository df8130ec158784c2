"""The figures of an org that asset checks show over time; none of them is a record's."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.store.database.database import Database

_FIGURES = """
SELECT org_id, max(greatest(checked_at, completed_at)),
       extract(epoch FROM now() - min(greatest(checked_at, completed_at)))::integer,
       COALESCE(sum(source_count), 0)::integer, COALESCE(sum(stored_count), 0)::integer,
       COALESCE(sum(set_aside_count), 0)::integer
FROM sync.checkpoints WHERE adapter = %s AND org_id = ANY (%s) AND NOT starts_with(entity, '$') GROUP BY org_id
"""
_DEAD_IDS = """
SELECT dead_letter_id::text FROM sync.dead_letters
WHERE (org_id, adapter) = (%s, %s) AND (%s::text IS NULL OR entity = %s) AND resolved_at IS NULL
ORDER BY first_seen_at DESC, dead_letter_id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class OrgFigures:
    """How current and how complete an org's data is, over all entities."""

    last_asked_at: datetime | None = None
    """When the source was last asked of any entity."""
    seconds_since_asked: int | None = None
    """How long ago it was asked of the entity that it was not asked of for longest."""
    source_count: int = 0
    stored_count: int = 0
    set_aside_count: int = 0


def load_figures(database: Database, adapter: AdapterName, orgs: Collection[OrgId]) -> Mapping[OrgId, OrgFigures]:
    """Return the figures of these orgs; an org that was never synced has none."""
    if not orgs:
        return {}
    with database.connect_fleet() as session:
        return {OrgId(org): OrgFigures(*figures) for org, *figures in session.execute(_FIGURES, (adapter, list(orgs)))}


def load_dead_letter_ids(
    database: Database, org: OrgId, adapter: AdapterName, entity: EntityName | None, most: int
) -> list[str]:
    """Return the numbers of the newest dead letters, by which ``dead-letters show`` names them."""
    with database.connect(org) as session:
        return [row[0] for row in session.execute(_DEAD_IDS, (org, adapter, entity, entity, most))]
