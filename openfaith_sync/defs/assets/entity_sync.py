"""Sync one entity of the run's org for its asset."""

from functools import partial

import dagster as dg

from openfaith_sync.defs.assets.asset_checks import run_checks
from openfaith_sync.defs.assets.materialization import build_materialization
from openfaith_sync.defs.assets.preview import read_preview
from openfaith_sync.defs.assets.progress_log import ProgressLog
from openfaith_sync.defs.assets.unavailable_entities import Unavailable, report_unavailable
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.error_translation import dagster_failures
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.connections.scopes import require_granted
from openfaith_sync.domain.errors import AccessDenied, NotConnected
from openfaith_sync.domain.ids import OrgId, SyncKey
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.ratelimit.lanes import Lane, lane_of
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.ports.store import Store
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.store.connections.connections import list_connections, load_connection
from openfaith_sync.store.connections.unavailable_entities import judge_ungranted, note_readable, note_refusal


def sync_entity(
    context: dg.AssetExecutionContext, manifest: Manifest, entity: Entity, mode: SyncMode, resource: DatabaseResource
) -> dg.MaterializeResult[None] | Unavailable:
    """Sync one entity of the run's org; a retry resumes after the last commit.

    Returns ``Unavailable`` if this connection could never read the entity, or the org is connected to other
    adapters only: nothing was stored, and nothing is wrong.
    """
    org = OrgId(context.partition_key)
    progress_log = ProgressLog(context.log, entity.name)
    with dagster_failures(context.retry_number):
        database = resource.open()
        try:
            connection = load_connection(database, org, manifest.adapter)
        except NotConnected as error:
            # Every asset has every org's partition, whichever system the org uses.
            if not list_connections(database, org):
                raise
            return report_unavailable(context, Refusal(str(error)))
        connection.require_usable()
        note = judge_ungranted
        try:
            require_granted(manifest, connection, entity.name)
            note = partial(note_refusal, is_shown=True)
            lane = partial(_lane, SyncKey(org, manifest.adapter, entity.name), mode)
            with open_session(
                database, manifest, connection, lane=lane, trigger="dagster", run_id=context.run.run_id
            ) as session:
                result = run_entity(session, entity.name, mode, progress_log)
        except AccessDenied as error:
            refusal = note(database, connection, entity.name, error)
            if refusal.is_unavailable:
                return report_unavailable(context, refusal)
            raise AccessDenied(f"{entity.name} is {refusal}") from error
        note_readable(database, connection, entity.name)
        return build_materialization(result, read_preview(database, org, entity), run_checks(database, result))


def _lane(key: SyncKey, mode: SyncMode, store: Store) -> Lane:
    return lane_of(mode, has_watermark=store.load_checkpoint(key).watermark is not None)
