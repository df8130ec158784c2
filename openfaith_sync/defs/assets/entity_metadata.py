"""The metadata of an asset's definition: its table, its columns and its source."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import dagster as dg

from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, Strength
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import COMMON_COMMENTS, SQL_TYPES, Column
from openfaith_sync.domain.sensitivity import Sensitivity

_Tags: TypeAlias = Mapping[str, Mapping[str, str]]
"""The tags of each column."""
STORE_TYPES: Mapping[str, str] = {
    "tags": "jsonb",
    "custom_fields": "jsonb",
    "deleted_at": "timestamp with time zone",
    "synced_at": "timestamp with time zone",
    "source_version": "timestamp with time zone",
    "content_hash": "bytea",
    "is_loss": "boolean",
}
"""The types of the store's columns that are no text."""


def entity_metadata(manifest: Manifest, entity: Entity, graph: DependencyGraph) -> dict[str, Any]:
    """Return the metadata of an entity's asset definition."""
    base = manifest.adapter_file.base_url + entity.path
    soft = [edge for edge in graph.edges_of(entity.name) if edge.strength is Strength.SOFT]
    metadata: dict[str, Any] = {
        "dagster/column_schema": column_schema(entity),
        "dagster/table_name": f"{entity.record_table.schema}.{entity.record_table.name}",
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
    """Return all columns of an entity's table, each with the source of its values."""
    sources = dict(_column_sources(entity))
    tags = {name: _tags(sensitivity) for name, sensitivity in entity.column_sensitivities.items()}
    mapped = [_column(column, sources.get(column.name), tags) for column in entity.record_table.columns]
    merged = ["merged_into_id"] if entity.record_table.has_merges else []
    before = [_store_column(name, tags) for name in ("id", "org_id", "external_id", "adapter", "type")]
    return dg.TableSchema([*before, *mapped, *(_store_column(name, tags) for name in (*merged, *STORE_TYPES))])


def _store_column(name: str, tags: _Tags) -> dg.TableColumn:
    return dg.TableColumn(name, STORE_TYPES.get(name, "text"), description=COMMON_COMMENTS[name], tags=tags[name])


def _column(column: Column, source: str | None, tags: _Tags) -> dg.TableColumn:
    origin = f"From {source}." if source else "Not filled by this source."
    # The comment of a source table's column names the attribute already.
    described = column.comment if source and source in column.comment else f"{column.comment} {origin}".strip()
    return dg.TableColumn(column.name, SQL_TYPES[column.type], description=described, tags=tags[column.name])


def _tags(sensitivity: Sensitivity) -> Mapping[str, str]:
    """Return the tag that says how sensitive a column is, unless it is public."""
    return {} if sensitivity.is_shown else {sensitivity.value: ""}


def _column_sources(entity: Entity) -> Iterator[tuple[str, str]]:
    for name, attribute in entity.attributes.items():
        if attribute.to:
            preferred = f"{entity.resource}.{attribute.prefer}, else " if attribute.prefer else ""
            yield attribute.to, f"{preferred}{entity.resource}.{name}"
    for name, relationship in entity.relationships.items():
        for column, targets in relationship.by_column.items():
            yield column, f"{entity.resource}.{name}: the id of a {' or '.join(dict.fromkeys(targets.values()))}"
    for column in entity.constants:
        yield column, "the manifest, the same for all"
