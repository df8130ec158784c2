"""The jobs that sync an org: everything, what has changed, a reconciliation, or single records."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster import AssetsDefinition

from openfaith_sync.defs.jobs.record_sync import sync_records
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.partitions import org_partitions
from openfaith_sync.defs.resources.run_tags import bulk_tags, record_tags
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest

PRIORITY_OF_RECORDS = "10"

Job = dg.JobDefinition | Any
"""Dagster does not export the class of an unresolved asset job."""


def build_bulk_jobs(manifest: Manifest, assets: AssetsDefinition) -> dict[str, Job]:
    """Return the jobs over all assets, by the mode that they run in."""
    title = manifest.adapter_file.title
    descriptions = {
        "full": ("full_sync", f"Reads everything of one org in {title} from the start."),
        "auto": (
            "delta_sync",
            f"Reads what has changed in {title}; reads an entity completely if it is new or its manifest changed.",
        ),
        "reconciliation": (
            "reconciliation",
            f"Compares all ids in {title} with ours: tombstones what is proven deleted, and reads what was missed.",
        ),
    }
    return {
        mode: dg.define_asset_job(
            f"{manifest.adapter}_{name}",
            # Sensors write the results of checks; in a run each would be a row more.
            selection=dg.AssetSelection.assets(assets).without_checks(),
            config=_for_each_org(manifest.adapter, mode),
            description=description,
        )
        for mode, (name, description) in descriptions.items()
    }


def build_record_job(manifest: Manifest) -> dg.JobDefinition:
    """Return the job that reads the single records that the inbox names."""

    @dg.op(name=f"{manifest.adapter}_records")
    def records(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
        sync_records(context, manifest, database)

    @dg.job(
        name=f"{manifest.adapter}_record_sync",
        partitions_def=org_partitions,
        config=dg.PartitionedConfig(
            org_partitions,
            run_config_for_partition_key_fn=lambda _org: {},
            tags_for_partition_key_fn=lambda org: record_tags(OrgId(org), manifest.adapter),
        ),
        tags={"dagster/priority": PRIORITY_OF_RECORDS},
        description=f"Reads the records that webhook events of {manifest.adapter_file.title} name, each by its id.",
    )
    def record_sync() -> None:
        records()

    return record_sync


def run_config(adapter: AdapterName, mode: str, **comparisons: Sequence[str]) -> dict[str, Any]:
    """Return the run configuration that sets the mode, and how much of which entities is compared."""
    covered = {name: list(entities) for name, entities in comparisons.items() if entities}
    return {"ops": {adapter: {"config": {"mode": mode, **covered}}}}


def _for_each_org(adapter: AdapterName, mode: str) -> dg.PartitionedConfig:
    config = run_config(adapter, mode)
    return dg.PartitionedConfig(
        org_partitions,
        run_config_for_partition_key_fn=lambda _org: config,
        tags_for_partition_key_fn=lambda org: bulk_tags(OrgId(org), adapter, mode),
    )
