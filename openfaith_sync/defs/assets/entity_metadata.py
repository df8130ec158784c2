"""The metadata of an asset's definition: its table, its columns and its source."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, Strength
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import Column, ColumnType

SQL_TYPES: Mapping[ColumnType, str] = {
    ColumnType.TEXT: "text",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INTEGER: "integer",
    ColumnType.FLOAT: "double precision",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp with time zone",
    ColumnType.REFERENCE: "text",
}

STORE_COLUMNS_BEFORE = (
    dg.TableColumn("id", "text", description="TypeID of the record; never changes."),
    dg.TableColumn("org_id", "text", description="The org (church)."),
    dg.TableColumn("type", "text", description="The entity."),
)

STORE_COLUMNS_AFTER = (
    dg.TableColumn("tags", "jsonb", description="Set by OpenFaith, never by a sync."),
    dg.TableColumn(
        "custom_fields",
        "jsonb",
        description="All attributes of the source that have no column.",
        tags={"private": ""},
    ),
    dg.TableColumn(
        "deleted_at", "timestamp with time zone", description="When the record was found to be deleted at the source."
    ),
    dg.TableColumn("synced_at", "timestamp with time zone", description="When this row last changed."),
)

MERGED_INTO = dg.TableColumn(
    "merged_into_id",
    "text",
    description="The record that this one was merged into at its source; this one is then deleted.",
)


def entity_metadata(manifest: Manifest, entity: Entity, graph: DependencyGraph) -> dict[str, Any]:
    """Return the metadata of an entity's asset definition."""
    base = manifest.adapter_file.base_url + entity.path
    soft = [edge for edge in graph.edges_of(entity.name) if edge.strength is Strength.SOFT]
    metadata: dict[str, Any] = {
        "dagster/column_schema": column_schema(entity),
        "dagster/table_name": f"openfaith.{entity.table}",
        "source_listing": dg.MetadataValue.url(base + entity.endpoints.list),
        "source_api_version": entity.version or "none",
        "changes_found_by": f"{entity.delta.by.value} on {entity.delta.attribute or 'no attribute'}",
    }
    if soft:
        metadata["soft_dependencies"] = dg.MetadataValue.md(
            "\n".join(f"- `{manifest.adapter}/{edge.dependency}`: {edge.reason}" for edge in soft)
        )
    if entity.sideload:
        metadata["brings_along"] = ", ".join(sorted(entity.sideload.values()))
    if entity.blind_spots:
        metadata["blind_spots"] = dg.MetadataValue.md(
            "\n".join(f"- {spot.change} (covered by {spot.covered_by}; {spot.source})" for spot in entity.blind_spots)
        )
    return metadata


def column_schema(entity: Entity) -> dg.TableSchema:
    """Return all columns of an entity's canonical table, each with the source of its values."""
    sources = dict(_column_sources(entity))
    mapped = [_column(column, sources.get(column.name)) for column in entity.record_table.columns]
    merged = [MERGED_INTO] if entity.record_table.has_merges else []
    return dg.TableSchema([*STORE_COLUMNS_BEFORE, *mapped, *merged, *STORE_COLUMNS_AFTER])


def _column(column: Column, source: str | None) -> dg.TableColumn:
    return dg.TableColumn(
        column.name,
        SQL_TYPES[column.type],
        description=source or "Not filled by this source.",
        tags={"private": ""} if column.private else None,
    )


def _column_sources(entity: Entity) -> Iterator[tuple[str, str]]:
    for name, attribute in entity.attributes.items():
        if attribute.to:
            preferred = f"{entity.resource}.{attribute.prefer}, else " if attribute.prefer else ""
            yield attribute.to, f"{preferred}{entity.resource}.{name}"
    for name, relationship in entity.relationships.items():
        if relationship.to:
            yield relationship.to, f"{entity.resource}.{name}: the id of a {relationship.target}"
