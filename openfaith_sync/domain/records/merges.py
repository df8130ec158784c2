"""Merges: one record became part of another at the source, and references to it follow."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.entity_keys import Merges
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.domain.records.record import RawRecord


@dataclass(frozen=True, slots=True)
class Merge:
    """One record that became part of another."""

    kept: ExternalId
    """May be gone itself by now: merged on, or destroyed."""
    removed: ExternalId
    merged_at: datetime | None
    """By the source's clock."""


@dataclass(frozen=True, slots=True)
class ReferenceColumn:
    """A column of a record table that holds entity ids of one entity."""

    table: RecordTable
    column: str
    target: EntityName


@dataclass(frozen=True, slots=True)
class MergeCommit:
    """Merges to be applied, whole or not at all."""

    entity: EntityName
    table: RecordTable
    merges: tuple[Merge, ...]
    references: tuple[ReferenceColumn, ...]
    """Every column that refers to this entity."""
    watermark: datetime | None = None
    """The newest merge that the source showed, once all up to it are read (law 3)."""


@dataclass(frozen=True, slots=True)
class Revival:
    """Records that live at the source although a merge removed them here."""

    entity: EntityName
    table: RecordTable
    external_ids: tuple[ExternalId, ...]
    references: tuple[ReferenceColumn, ...]
    """Every column that refers to this entity."""


@dataclass(frozen=True, slots=True)
class MergesResult:
    """The result of reading the source's merges once."""

    read: int
    """Merges that the source showed since the watermark, those known before included."""
    applied: int
    """Merges that were new here."""
    requests: int
    unreadable: int = 0
    """Merges that name no two records."""
    contradicted: int = 0
    """Merges that were not applied: the record that they remove can be read, or the source would not say."""
    is_denied: bool = False
    """Whether the source refuses to tell of merges: they are then seen as deletions."""


def parse_merge(part: Merges, raw: RawRecord) -> Merge | None:
    """Return the merge that the source's resource tells of; ``None`` when it does not name two records."""
    if raw.damage is not None:
        return None
    kept, removed = _parse_id(raw.attributes.get(part.keep)), _parse_id(raw.attributes.get(part.remove))
    if kept is None or removed is None or kept == removed:
        return None
    return Merge(kept, removed, _parse_time(raw.attributes.get("created_at")))


def references_to(manifest: Manifest, target: EntityName) -> tuple[ReferenceColumn, ...]:
    """Return every column that refers to an entity, in the order in which pages store their tables."""
    return tuple(
        dict.fromkeys(column for name in manifest.entities for column in _references(manifest, name, {target}))
    )


def references_of(manifest: Manifest, entity: EntityName) -> tuple[ReferenceColumn, ...]:
    """Return the columns of an entity that refer to entities of the manifest."""
    return tuple(dict.fromkeys(_references(manifest, entity, set(manifest.entities))))


def merging_references(manifest: Manifest, entities: Iterable[EntityName]) -> tuple[ReferenceColumn, ...]:
    """Return the columns of these entities that refer to records which can become part of each other."""
    merging = {name for name, part in manifest.entities.items() if part.merges}
    return tuple(dict.fromkeys(column for name in entities for column in _references(manifest, name, merging)))


def _references(manifest: Manifest, entity: EntityName, targets: set[EntityName]) -> list[ReferenceColumn]:
    part = manifest.entities[entity]
    return [
        ReferenceColumn(part.record_table, column, EntityName(target))
        for relationship in part.relationships.values()
        for column, found in relationship.by_column.items()
        for target in found.values()
        if target in targets
    ]


def _parse_id(found: object) -> ExternalId | None:
    """Read an id that the source writes as a number here and as text elsewhere (docs/pco.md 1.2)."""
    if type(found) is int:
        return ExternalId(str(found))
    return ExternalId(found) if type(found) is str and found else None


def _parse_time(found: object) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(found) if type(found) is str else None
    except ValueError:
        return None
    return parsed if parsed is not None and parsed.tzinfo else None
