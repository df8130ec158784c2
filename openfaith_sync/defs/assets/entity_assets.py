"""Build one asset for each entity of a manifest."""

from collections.abc import Iterator
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from openfaith_sync.defs.assets.asset_checks import build_check_specs
from openfaith_sync.defs.assets.entity_metadata import entity_metadata
from openfaith_sync.defs.assets.entity_sync import sync_entity
from openfaith_sync.defs.assets.unavailable_entities import Unavailable
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.frame_io_manager import FRAMES
from openfaith_sync.defs.resources.partitions import org_partitions
from openfaith_sync.domain.ids import AdapterName, EntityName
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode

StepResult = dg.MaterializeResult[Any] | dg.AssetCheckResult
OWNER = "team:openfaith"
UNEXPECTED_RETRY = dg.RetryPolicy(max_retries=1, delay=5)
"""For unexpected exceptions: retry once from the checkpoint; after that it is a bug that people must look at.
Expected errors never reach this policy; ``error_translation.py`` handles them."""


class SyncConfig(dg.Config):
    """The options of one entity's sync."""

    mode: Literal["auto", "full", "delta", "reconciliation"] = Field(
        default="auto",
        description=(
            "auto: everything the first time, then only what has changed. "
            "full: everything again. delta: only what has changed, where the source supports it. "
            "reconciliation: compare all records, and resolve what is missing on either side."
        ),
    )


def asset_key(adapter: AdapterName, entity: EntityName) -> dg.AssetKey:
    """Return the key of an entity's asset."""
    return dg.AssetKey([adapter, entity])


def build_entity_assets(manifest: Manifest) -> list[dg.AssetsDefinition]:
    """Return one asset for each entity, in the recommended order of syncing.

    Hard dependencies are asset dependencies: if one fails, its dependents are skipped.
    Soft dependencies only order steps, through priorities: if one fails, nothing stops.
    """
    graph = manifest.graph
    priorities = {name: len(graph.entities) - rank for rank, name in enumerate(graph.entities)}
    return [_build_asset(manifest, manifest.entities[name], graph, priorities[name]) for name in graph.entities]


def _build_asset(manifest: Manifest, entity: Entity, graph: DependencyGraph, priority: int) -> dg.AssetsDefinition:
    key = asset_key(manifest.adapter, entity.name)

    @dg.asset(
        key=key,
        deps=[asset_key(manifest.adapter, dependency) for dependency in sorted(graph.hard[entity.name])],
        partitions_def=org_partitions,
        group_name=entity.module,
        description=f"{entity.description}\n\n{entity.resource} in {manifest.adapter_file.title}, partitioned by org.",
        kinds={"python", "postgres", manifest.adapter},
        owners=[OWNER],
        tags={"openfaith/adapter": manifest.adapter, "openfaith/delta": entity.delta.by.value},
        metadata=entity_metadata(manifest, entity, graph),
        code_version=manifest.entity_fingerprint(entity.name),
        op_tags={"dagster/priority": str(priority)},
        io_manager_key=FRAMES,
        retry_policy=UNEXPECTED_RETRY,
        check_specs=build_check_specs(key),
        # An entity that a connection could never read has no output: its dependents are skipped, and nothing
        # fails.
        output_required=False,
    )
    def sync(context: dg.AssetExecutionContext, config: SyncConfig, database: DatabaseResource) -> Iterator[StepResult]:
        result = sync_entity(context, manifest, entity, SyncMode(config.mode), database)
        if isinstance(result, Unavailable):
            yield from result.checks
        else:
            yield result

    return sync
