"""Build the assets of one adapter: one for each entity of its manifest, all materialized by one op."""

from collections.abc import Iterator
from typing import Literal

import dagster as dg
from pydantic import Field

from openfaith_sync.defs.assets.entity_metadata import entity_metadata
from openfaith_sync.defs.assets.org_sync import sync_org
from openfaith_sync.defs.assets.run_reports import RunEvent
from openfaith_sync.defs.checks.check_names import checks_of
from openfaith_sync.defs.checks.org_checks import build_check_specs
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.frame_io_manager import FRAMES
from openfaith_sync.defs.resources.partitions import org_partitions
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.dependency_graph import Strength
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import Comparison, SyncMode

OWNER = "team:openfaith"


class SyncConfig(dg.Config):
    """The options of one run's sync."""

    mode: Literal["auto", "full", "delta", "reconciliation"] = Field(
        default="auto",
        description=(
            "auto: everything the first time, then only what has changed. "
            "full: everything again. delta: only what has changed, where the source supports it. "
            "reconciliation: compare all records, and resolve what is missing on either side."
        ),
    )
    windowed: list[str] = Field(
        default_factory=list, description="Reconciliation: the entities that are compared within their window only."
    )
    reread: list[str] = Field(
        default_factory=list, description="Reconciliation: the entities whose records are read whole."
    )

    def comparison_of(self, entity: EntityName) -> Comparison:
        """Return how much of an entity is compared."""
        return Comparison(is_windowed=entity in self.windowed, is_reread=entity in self.reread)


def build_entity_assets(manifest: Manifest) -> dg.AssetsDefinition:
    """Return the assets of all entities, which one op materializes in the recommended order.

    Hard dependencies are asset dependencies: if one fails, its dependents are skipped.
    Soft dependencies only order the entities: if one fails, nothing stops.
    """
    # A step costs eight events of 1 KB each, and each is a row that Dagster keeps: ten entities made 92, and 140
    # would make 1,300. One op makes the same few for any number of entities.
    specs = [_build_spec(manifest, manifest.entities[name]) for name in manifest.graph.entities]

    @dg.multi_asset(
        name=manifest.adapter,
        specs=specs,
        can_subset=True,
        check_specs=[
            check
            for name, entity in manifest.entities.items()
            for check in build_check_specs(manifest.adapter, name, checks_of(entity))
        ],
        description=f"Syncs the entities of one org from {manifest.adapter_file.title}, in the recommended order.",
    )
    def sync(context: dg.AssetExecutionContext, config: SyncConfig, database: DatabaseResource) -> Iterator[RunEvent]:
        yield from sync_org(context, manifest, SyncMode(config.mode), database, config.comparison_of)

    return sync


def _build_spec(manifest: Manifest, entity: Entity) -> dg.AssetSpec:
    graph = manifest.graph
    return dg.AssetSpec(
        asset_key(manifest.adapter, entity.name),
        deps=[asset_key(manifest.adapter, dependency) for dependency in sorted(graph.hard[entity.name])],
        partitions_def=org_partitions,
        group_name=f"{manifest.adapter}_{entity.module}",
        description=_describe(manifest, entity),
        kinds={"python", "postgres", manifest.adapter},
        owners=[OWNER],
        tags={"openfaith/adapter": manifest.adapter, "openfaith/delta": entity.delta.by.value},
        metadata=entity_metadata(manifest, entity, graph),
        code_version=manifest.entity_fingerprint(entity.name),
        # An entity that a connection could never read has no output, and neither has one that did not change.
        skippable=True,
    ).with_io_manager_key(FRAMES)


def _describe(manifest: Manifest, entity: Entity) -> str:
    """Return what the entity is, and what is synced before it: Dagster draws no soft dependencies."""
    lines = [entity.description, f"{entity.resource} in {manifest.adapter_file.title}, partitioned by org."]
    edges = manifest.graph.edges_of(entity.name)
    for strength, said in ((Strength.HARD, "Synced only after"), (Strength.SOFT, "Synced after, where possible:")):
        names = [f"`{manifest.adapter}/{edge.dependency}`" for edge in edges if edge.strength is strength]
        if names:
            lines.append(f"{said} {', '.join(names)}.")
    return "\n\n".join(lines)
