"""The factory: one asset for each entity of a manifest."""

from collections.abc import Iterator
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from openfaith_sync.defs.assets.checks import dead_letters_spec
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
UNFORESEEN = dg.RetryPolicy(max_retries=1, delay=5)
"""For exceptions that nobody foresaw: once more from the checkpoint, then it is a bug for people.
Foreseen ones never come here; ``failures.py`` decides about them."""


class SyncConfig(dg.Config):
    """What a person may ask of one entity's sync."""

    mode: Literal["auto", "full", "delta", "reconciliation"] = Field(
        default="auto",
        description=(
            "auto: everything the first time, later only what changed. "
            "full: everything again. delta: only what changed, where the source can tell. "
            "reconciliation: everything compared, and what is missing on either side settled."
        ),
    )


def asset_key(adapter: AdapterName, entity: EntityName) -> dg.AssetKey:
    """Return the key of an entity's asset."""
    return dg.AssetKey([adapter, entity])


def build_entity_assets(manifest: Manifest) -> list[dg.AssetsDefinition]:
    """Return one asset for each entity, in the order in which they are best synced.

    Hard dependencies are asset dependencies: a failed one skips its dependents.
    Soft ones only order steps, through priorities: a failed one stops nothing.
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
        description=f"{entity.description}\n\n{entity.resource} in {manifest.adapter_file.title}, church by church.",
        kinds={"python", "postgres", manifest.adapter},
        owners=[OWNER],
        tags={"openfaith/adapter": manifest.adapter, "openfaith/delta": entity.delta.by.value},
        metadata=entity_metadata(manifest, entity, graph),
        code_version=manifest.entity_fingerprint(entity.name),
        op_tags={"dagster/priority": str(priority)},
        io_manager_key=FRAMES,
        retry_policy=UNFORESEEN,
        check_specs=[dead_letters_spec(key)],
        # What a connection never could read has no output: that skips its dependents, and fails nothing.
        output_required=False,
    )
    def sync(context: dg.AssetExecutionContext, config: SyncConfig, database: DatabaseResource) -> Iterator[StepResult]:
        found = sync_entity(context, manifest, entity, SyncMode(config.mode), database)
        yield found.check if isinstance(found, Unavailable) else found

    return sync
