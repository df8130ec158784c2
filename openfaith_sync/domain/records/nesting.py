"""How a nested entity and its parent are stored, and which parent's list is read next."""

from dataclasses import dataclass

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityId, EntityName, ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.domain.records.riding import Riding, build_riding, rides


@dataclass(frozen=True, slots=True)
class Nesting:
    """Where a nested entity and its parent are stored, and the columns that join them."""

    parent: EntityName
    table: RecordTable
    under: str
    """The column that names the parent."""
    parent_table: RecordTable
    members_key: str | None = None
    """The parent's custom field that lists its members, if the source sends one."""
    member: str | None = None
    """The column that names the member."""
    member_entity: EntityName | None = None
    riding: Riding | None = None
    """What names its records, if they come with others."""


@dataclass(frozen=True, slots=True)
class ParentPlace:
    """A parent whose list is to be read, with what is known of it."""

    external_id: ExternalId
    content_hash: bytes
    listed: tuple[ExternalId, ...] | None
    """The number of rows of its list when last read; ``None`` if never read."""
    named: frozenset[str] | None
    """External ids that the parent's own record lists; ``None`` if it lists none or was not read."""
    held: frozenset[EntityId]
    """The members as stored."""


def build_nesting(manifest: Manifest, entity: Entity) -> Nesting:
    """Return how a nested entity is stored.

    Raises:
        DefinitionError: The parent has no column, or is not in the manifest.
    """
    nested, parent = entity.nested, manifest.entities.get(entity.parent or EntityName(""))
    under = entity.relationships[nested.under].to if nested else None
    if nested is None or parent is None or under is None:
        raise DefinitionError(f"{entity.name}.nested: expected a parent in the manifest, and a column that names it")
    member = entity.relationships[nested.member] if nested.member else None
    is_named = member is not None and member.to is not None and nested.members in parent.relationships
    return Nesting(
        parent=parent.name,
        table=entity.record_table,
        under=under,
        parent_table=parent.record_table,
        # So the mapping names a to-many relationship that is always sent.
        members_key=f"{manifest.adapter}_{nested.members}_ids" if is_named else None,
        member=member.to if member and is_named else None,
        member_entity=EntityName(member.target) if member and is_named else None,
        riding=build_riding(manifest, entity) if rides(entity) else None,
    )
