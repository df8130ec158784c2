"""What is stored of one org's entities that a plan needs: lists of parents, merges, announced deletions, pace."""

from collections.abc import Iterable
from dataclasses import replace

from openfaith_sync.domain.ids import EntityName, OrgId, SyncKey
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.planning.entity_facts import EntityFacts, NestedFacts
from openfaith_sync.domain.records.nesting import ParentScope, build_nesting
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.deletions.holds import check_deletions
from openfaith_sync.store.passes import passes
from openfaith_sync.store.passes.due_parents import about_parents, parent_parameters
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one

_LISTS = """
SELECT COALESCE(cardinality(listing.listed), 0), {is_due} {from} {living} AND {has_path} AND {is_wanted} ORDER BY 1 DESC
"""
_MERGES = "SELECT count(*) FROM sync.redirects WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s"
_ANNOUNCED = """
SELECT count(DISTINCT external_id) FROM sync.webhook_events
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND done_at IS NULL AND action = 'destroyed'
"""
# Of the last passes that sent requests: how long one took, commits included and waits for the budget left out.
_PACE = """
SELECT (sum(extract(epoch FROM ended_at - started_at - waited)) / sum(requests))::float8
FROM (SELECT * FROM sync.passes
      WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND status = 'complete' AND requests > 0
      ORDER BY pass_id DESC LIMIT 5) done
"""
_WORST_NIGHT = """
SELECT COALESCE(max(tombstoned), 0) FROM sync.passes
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND mode = 'reconciliation'
  AND status = 'complete' AND ended_at > now() - interval '30 days'
"""


def load_stored_facts(
    database: Database, manifest: Manifest, org: OrgId, entities: Iterable[EntityName]
) -> dict[EntityName, EntityFacts]:
    """Return what is stored of each of these entities of an org."""
    with database.connect(org) as connection:
        return {
            name: _load(connection, manifest, manifest.entities[name], SyncKey(org, manifest.adapter, name))
            for name in entities
        }


def _load(connection: Connection, manifest: Manifest, entity: Entity, key: SyncKey) -> EntityFacts:
    checkpoint = passes.load_checkpoint(connection, key)
    org, adapter, name = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": name}
    opened = checkpoint.open_pass
    fingerprint = manifest.entity_fingerprint(key.entity)
    facts = EntityFacts(
        checkpoint=checkpoint,
        check=check_deletions(connection, key, entity.parent),
        set_aside=passes.count_set_aside(connection, key),
        is_current=(opened.start.manifest_version if opened else checkpoint.manifest_version) == fingerprint,
        announced=int(fetch_one(connection, _ANNOUNCED, parameters)[0]),
        worst_night=int(fetch_one(connection, _WORST_NIGHT, parameters)[0]),
        merges_applied=int(fetch_one(connection, _MERGES, parameters)[0]) if entity.merges else 0,
        seconds_per_request=fetch_one(connection, _PACE, parameters)[0],
    )
    if entity.parent is None:
        return facts
    nesting = build_nesting(manifest, entity)
    statement = about_parents(_LISTS, nesting, ParentScope.ASKED)
    rows = connection.execute(statement, parent_parameters(key, nesting)).fetchall()
    return replace(facts, nested=NestedFacts(tuple(row[0] for row in rows), sum(row[1] for row in rows)))
