"""What an org chose to sync: modules and entities, and sensitive ones; kept when the org is disconnected."""

from collections.abc import Sequence

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import make_due

_SELECT = """
INSERT INTO sync.selections AS held (org_id, adapter, only_these) VALUES (%(org)s, %(adapter)s, %(only)s)
ON CONFLICT (org_id, adapter) DO UPDATE SET only_these = EXCLUDED.only_these, chosen_at = now()
WHERE held.only_these <> EXCLUDED.only_these
"""
_SELECT_ALL = "DELETE FROM sync.selections WHERE org_id = %(org)s AND adapter = %(adapter)s"
_TURN_OFF = """
DELETE FROM sync.sensitive_entities
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity <> ALL (%(entities)s::text[])
"""
_TURN_ON = """
INSERT INTO sync.sensitive_entities (org_id, adapter, entity)
SELECT %(org)s, %(adapter)s, unnest(%(entities)s::text[]) ON CONFLICT DO NOTHING
"""
_LOAD_SENSITIVE = "SELECT entity FROM sync.sensitive_entities WHERE org_id = %s AND adapter = %s ORDER BY entity"
_LOAD = "SELECT only_these FROM sync.selections WHERE org_id = %s AND adapter = %s"


def select_only(database: Database, org: OrgId, adapter: AdapterName, only: Sequence[str] | None) -> bool:
    """Store what an org chooses to sync, ``None`` for all, and return whether that is a change.

    What is selected now is due at once; rows of what no longer is stay.
    """
    parameters = {"org": org, "adapter": adapter, "only": list(only or ())}
    with database.connect(org) as session:
        is_changed = session.execute(_SELECT_ALL if only is None else _SELECT, parameters).rowcount > 0
    if is_changed:
        make_due(database, org, adapter, (WorkMode.DELTA, WorkMode.SUBSCRIPTIONS), "newly selected")
    return is_changed


def load_selection(database: Database, org: OrgId, adapter: AdapterName) -> tuple[str, ...] | None:
    """Return the modules and entities that an org chose to sync, connected or not; ``None`` for all."""
    with database.connect(org) as session:
        row = session.execute(_LOAD, (org, adapter)).fetchone()
    return None if row is None else tuple(row[0])


def turn_on(database: Database, org: OrgId, adapter: AdapterName, entities: Sequence[EntityName]) -> bool:
    """Store which sensitive entities an org has synced, and return whether that is a change; rows of others stay."""
    parameters = {"org": org, "adapter": adapter, "entities": list(entities)}
    with database.connect(org) as session, session.transaction():
        is_changed = session.execute(_TURN_OFF, parameters).rowcount > 0
        is_changed |= session.execute(_TURN_ON, parameters).rowcount > 0
    if is_changed:
        make_due(database, org, adapter, (WorkMode.DELTA, WorkMode.SUBSCRIPTIONS), "newly selected")
    return is_changed


def load_sensitive(database: Database, org: OrgId, adapter: AdapterName) -> tuple[EntityName, ...]:
    """Return the sensitive entities that an org turned on, connected or not."""
    with database.connect(org) as session:
        return tuple(EntityName(row[0]) for row in session.execute(_LOAD_SENSITIVE, (org, adapter)).fetchall())
