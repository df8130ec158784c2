"""Queue every run under the same limits, whoever started it; named in ``dagster.yaml``.

Jobs give their runs the tags that ``dagster.yaml`` limits. A run that a person starts on some assets, and each run of a
backfill, belongs to no job of ours and would have none of them: it gets them here, before it is queued.
"""

import os
from collections.abc import Collection

from dagster import DagsterRun, QueuedRunCoordinator
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARTITION_NAME_TAG

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters
from openfaith_sync.defs.resources.run_tags import BULK_TAG, RECORDS_TAG, TRIGGER_TAG, bulk_tags
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import OrgId


class OrgRunCoordinator(QueuedRunCoordinator):
    """Tags runs of our assets with their org, and queues them."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Queue the run, with the tags that its limits are about."""
        run = context.dagster_run
        tags = missing_tags(run, list_adapters(Settings.from_environment(os.environ).manifests))
        if tags:
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


def missing_tags(run: DagsterRun, adapters: Collection[str]) -> dict[str, str]:
    """Return the tags that a run of our assets lacks; none for runs of other assets, and of whole jobs."""
    org = run.tags.get(PARTITION_NAME_TAG)
    if org is None or RECORDS_TAG in run.tags:
        return {}
    trigger = {TRIGGER_TAG: "backfill" if BACKFILL_ID_TAG in run.tags else "person"}
    if BULK_TAG in run.tags:
        return {} if TRIGGER_TAG in run.tags else trigger
    ours = sorted({key.path[0] for key in run.asset_selection or ()} & set(adapters))
    return {**bulk_tags(OrgId(org), "+".join(ours)), **trigger} if ours else {}
