"""Sync the selected entities of the run's org: the body of an adapter's op."""

from collections.abc import Callable, Iterator

import dagster as dg

from openfaith_sync.defs.assets.entity_failures import FailedEntities
from openfaith_sync.defs.assets.entity_sync import EntityCalls, find_usable_connection
from openfaith_sync.defs.assets.retries import Retries
from openfaith_sync.defs.assets.run_reports import RunEvent, RunReports
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.error_translation import dagster_failures
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import Comparison, SyncMode
from openfaith_sync.engine.org_sync import EntityOutcome, sync_in_order


def sync_org(
    context: dg.AssetExecutionContext,
    manifest: Manifest,
    mode: SyncMode,
    resource: DatabaseResource,
    comparison_of: Callable[[EntityName], Comparison] = lambda _: Comparison(),
) -> Iterator[RunEvent]:
    """Sync the selected entities in their recommended order, and yield what Dagster is to know of each as it ends.

    Law 6: a failed entity stops only those that hard-depend on it. When all others are done, the step fails with
    what became of each. Temporary failures are tried again after all others, from where they stopped.
    """
    org = OrgId(context.partition_key)
    chosen = {EntityName(key.path[-1]) for key in context.selected_asset_keys}
    order = [name for name in manifest.graph.entities if name in chosen]
    with dagster_failures(context.retry_number):
        database = resource.open()
        reports = RunReports.load(context, database, manifest, org)
        not_connected = find_usable_connection(database, org, manifest.adapter)
    failed = FailedEntities(context.log, manifest.adapter, len(order))
    with EntityCalls(context, database, manifest, org, mode, comparison_of) as sync:
        outcomes = (
            (EntityOutcome(entity, error=not_connected, is_unavailable=True) for entity in order)
            if not_connected
            else sync_in_order(order, manifest.graph.hard, sync, Retries(context.log, manifest.adapter))
        )
        try:
            for outcome in outcomes:
                if outcome.has_failed:
                    failed.add(outcome)
                    reports.note_failed(outcome.entity)
                else:
                    yield from reports.of(outcome)
        finally:
            reports.store()
    with dagster_failures(context.retry_number):
        yield from reports.check()
    if failed:
        raise failed.summarize() from failed.cause
