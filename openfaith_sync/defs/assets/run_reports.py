"""Decide which events a run writes: a person's run shows every entity, an automatic one only what is news."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent

from openfaith_sync.defs.assets.materialization import materialization_metadata
from openfaith_sync.defs.assets.preview import read_preview
from openfaith_sync.defs.checks.org_checks import run_checks
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.defs.resources.run_tags import is_quiet
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult
from openfaith_sync.engine.org_sync import EntityOutcome
from openfaith_sync.store.admin.dagster_reports import (
    MATERIALIZATION,
    NOT_AVAILABLE,
    Report,
    ReportKey,
    Reports,
    load_reports,
    store_reports,
)
from openfaith_sync.store.database.database import Database

RunEvent = dg.MaterializeResult[Any] | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult


class RunReports:
    """The events of one run, and what Dagster was told before it."""

    def __init__(
        self, context: dg.AssetExecutionContext, database: Database, manifest: Manifest, org: OrgId, known: Reports
    ) -> None:
        """Begin with nothing new."""
        self._context = context
        self._database = database
        self._manifest = manifest
        self._org = org
        self._known = known
        self._told: dict[ReportKey, Report] = {}
        self._is_quiet = is_quiet(context.run)

    @classmethod
    def load(
        cls, context: dg.AssetExecutionContext, database: Database, manifest: Manifest, org: OrgId
    ) -> "RunReports":
        """Return the reports of a run, with what Dagster was told of its org."""
        return cls(context, database, manifest, org, load_reports(database, manifest.adapter, org))

    def of(self, outcome: EntityOutcome) -> Iterator[RunEvent]:
        """Yield the events of an entity that was synced, or is not available."""
        if outcome.result is not None:
            yield from self._materialize(outcome.entity, outcome.result)
        elif outcome.error is not None:
            yield from self._observe(outcome.entity, outcome.error, outcome.refusal)

    def note_failed(self, entity: EntityName) -> None:
        """Show the entity's partition as failed when the run ends."""
        self._told[self._key(entity, MATERIALIZATION)] = Report(is_ok=False)
        if not self._is_quiet:
            return
        # Dagster shows a partition as failed if a materialization was planned in a run that failed. A quiet run plans
        # none at its start, since that costs a row per entity.
        planned = AssetMaterializationPlannedData(
            asset_key(self._manifest.adapter, entity), partition=self._org, partitions_subset=None
        )
        run, step = self._context.run, self._manifest.adapter
        event = DagsterEvent.build_asset_materialization_planned_event(run.job_name, step, planned)
        self._context.instance.report_dagster_event(event, run.run_id)

    def check(self) -> Iterator[RunEvent]:
        """Yield the results of the selected checks; of a quiet run, a sensor writes them when they change."""
        if not self._is_quiet:
            selected = self._context.selected_asset_check_keys
            yield from run_checks(self._database, self._manifest.adapter, self._org, selected)

    def store(self) -> None:
        """Store what Dagster was told; if that fails, it is told again by the next run."""
        with suppress(SyncError):
            store_reports(self._database, self._manifest.adapter, self._told, self._org)

    def _materialize(self, entity: EntityName, result: PassResult) -> Iterator[RunEvent]:
        key, counts = self._key(entity, MATERIALIZATION), result.counts
        if not (counts.created or counts.updated or counts.tombstoned) and self._is_known(key):
            return
        self._told[key] = Report(is_ok=True)
        asset = asset_key(self._manifest.adapter, entity)
        preview = read_preview(self._database, self._org, self._manifest.entities[entity])
        metadata = materialization_metadata(result, preview)
        if self._is_quiet:
            yield dg.AssetMaterialization(asset, partition=self._org, metadata=metadata)
        else:
            # Beside the result: Dagster would store the metadata of a result twice, with the output and with the
            # materialization.
            self._context.add_asset_metadata(metadata, asset_key=asset, partition_key=self._org)
            yield dg.MaterializeResult(asset_key=asset)

    def _observe(self, entity: EntityName, error: SyncError, refusal: Refusal | None) -> Iterator[RunEvent]:
        key = self._key(entity, NOT_AVAILABLE)
        if self._is_known(key):
            return
        self._told[key] = Report(is_ok=True)
        title = refusal.title if refusal is not None else NOT_AVAILABLE
        metadata: dict[str, dg.MetadataValue] = {
            "status": dg.MetadataValue.text(title),
            "reason": dg.MetadataValue.text(str(error)),
        }
        if refusal is not None and refusal.ask_again_at is not None:
            metadata["asked_again_at"] = dg.MetadataValue.timestamp(refusal.ask_again_at)
        yield dg.AssetObservation(
            asset_key=asset_key(self._manifest.adapter, entity),
            partition=self._org,
            description=f"{title}: {error}",
            metadata=metadata,
        )

    def _is_known(self, key: ReportKey) -> bool:
        """Return whether the run need not repeat that all is well: it is automatic, and Dagster was told lately."""
        known = self._known.get(key)
        return self._is_quiet and known is not None and known.is_ok and known.is_recent

    def _key(self, entity: EntityName, name: str) -> ReportKey:
        return ReportKey(self._org, entity, name)
