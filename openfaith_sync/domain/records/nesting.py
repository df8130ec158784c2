"""How a nested entity and its parent are stored, and what of a parent decides whether its list is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, auto

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityId, EntityName, ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.nested_keys import Freeze, ParentCondition, path_parameters
from openfaith_sync.domain.record_tables import ColumnType, RecordTable
from openfaith_sync.domain.records.riding import Riding, build_riding, rides

_TIMES = frozenset({ColumnType.TIMESTAMP, ColumnType.DATE})


class ParentScope(StrEnum):
    """Of which parents a pass reads the lists."""

    ALL = auto()
    """Of all that have lists, frozen ones too."""
    LIVING = auto()
    """Of all but those that are frozen."""
    ASKED = auto()
    """Of those that a delta asks for changes."""
    TRIGGERED = auto()
    """Of those only that changed or that something else names: an event, or a watched record."""

    @property
    def is_whole(self) -> bool:
        """Return whether lists are read to their ends, to compare them with what is stored."""
        return self in {ParentScope.ALL, ParentScope.LIVING}


@dataclass(frozen=True, slots=True)
class StoredValue:
    """Where a record's row holds one of its attributes."""

    column: str | None
    """``None`` if it is a custom field."""
    custom_field: str
    is_time: bool = False
    """Whether the column holds a time; the custom field holds the source's text."""


@dataclass(frozen=True, slots=True)
class StoredReference:
    """Where a record's row holds one of its references, and where that leads."""

    name: str
    column: str | None
    """The column with the target's entity id; ``None`` if a custom field holds its external id."""
    custom_field: str
    target: EntityName
    table: RecordTable | None
    """The target's table; ``None`` if it is not stored."""
    level: int = 0
    """Whose reference it is: the parent's, or that of the record so many levels above it."""


@dataclass(frozen=True, slots=True)
class StoredCondition:
    """What an attribute of a parent must be for its list to be read."""

    value: StoredValue
    equals: bool | int | str | None
    before: str | None
    """An offset from now, such as ``-24m``; see ``nested_keys.TimeOffset``."""
    after: str | None


@dataclass(frozen=True, slots=True)
class FrozenAfter:
    """When the list of a parent that was read once is final."""

    value: StoredValue
    after: timedelta


@dataclass(frozen=True, slots=True)
class Watched:
    """An entity whose changed records make the lists of the parents that they refer to due."""

    entity: EntityName
    table: RecordTable
    column: str
    """The column that names the parent."""


@dataclass(frozen=True, slots=True)
class Nesting:
    """Where a nested entity and its parent are stored, the columns that join them, and which lists are read when."""

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
    ancestors: tuple[StoredReference, ...] = ()
    """The references that fill the further parameters of the entity's paths: the parent's, or of those above it."""
    conditions: tuple[StoredCondition, ...] = ()
    frozen: FrozenAfter | None = None
    triggers: tuple[StoredValue, ...] = ()
    """The parent's attributes whose change makes its list due; if empty, any change of its record."""
    watched: Watched | None = None
    polled: tuple[StoredCondition, ...] = ()
    """Conditions for a parent's list to be due at every delta; if empty, none is."""
    is_readable: bool = True
    """Whether a record can be read by its id; if not, its parent's list is read twice before it is deleted."""
    asks_every_parent: bool = False
    """Whether a delta asks below each parent what changed, and not only below those that a trigger names."""
    above: "Nesting | None" = None
    """How the parent itself is nested."""


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a nested record is read: below which parent, and below which records that one is."""

    parent: ExternalId | None = None
    ancestors: Mapping[str, ExternalId] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParentPlace:
    """A parent whose list is to be read, with what is known of it."""

    external_id: ExternalId
    content_hash: bytes
    """Of the content that makes its list due when it changes."""
    listed: tuple[ExternalId, ...] | None
    """The ids of its list when last read; ``None`` if never read."""
    named: frozenset[str] | None
    """External ids that the parent's own record lists; ``None`` if it lists none or was not read."""
    held: frozenset[EntityId]
    """The members as stored."""
    ancestors: Mapping[str, ExternalId] = field(default_factory=dict)
    """What fills the further parameters of the list's path."""
    own: RecordPlace | None = RecordPlace()
    """Where the parent itself is read; ``None`` if that is unknown."""
    watermark: datetime | None = None
    """The newest version that a complete reading of the list has covered."""
    is_named: bool = False
    """Whether something beside its own record makes its list due: it is read even if that names what is held."""
    loaded_at: datetime | None = None
    """The database's time when it was loaded: a trigger from then on makes the list due again."""


@dataclass(frozen=True, slots=True)
class ParentCounts:
    """How many parents of a nested entity are stored, by what becomes of their lists in a pass."""

    to_read: int = 0
    """Their lists are read in this pass, or were."""
    done: int = 0
    """Of these, those that were."""
    without_path: int = 0
    """A record that their path goes through is not stored: they are never read."""
    excluded: int = 0
    """They do not meet the conditions."""
    frozen: int = 0
    """They are frozen."""


def build_nesting(manifest: Manifest, entity: Entity) -> Nesting:
    """Return how a nested entity is stored, and which of its lists are read when.

    Raises:
        DefinitionError: The parent has no column, or it or something that the lists depend on is not in the manifest.
    """
    nested, parent = entity.nested, manifest.entities.get(entity.parent or EntityName(""))
    under = entity.relationships[nested.under].to if nested else None
    if nested is None or parent is None or under is None:
        raise DefinitionError(f"{entity.name}.nested: expected a parent in the manifest, and a column that names it")
    member = entity.relationships[nested.member] if nested.member else None
    is_named = member is not None and member.to is not None and nested.members in parent.relationships
    triggers, freeze = nested.triggers, nested.freeze
    is_named_by_triggers = bool(triggers.attributes or triggers.watch or triggers.poll)
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
        ancestors=tuple(_find_reference(manifest, entity, parent, name) for name in _path_parameters(entity)),
        conditions=_conditions(entity, parent, nested.when),
        polled=_conditions(entity, parent, triggers.poll),
        frozen=None if freeze is None else _frozen(entity, parent, freeze),
        triggers=tuple(_value(entity, parent, name) for name in triggers.attributes),
        watched=_watched(manifest, entity, triggers.watch) if triggers.watch is not None else None,
        is_readable=entity.endpoints.get is not None,
        asks_every_parent=entity.delta.by is not DeltaCapability.NONE and not is_named_by_triggers,
        above=build_nesting(manifest, parent) if parent.nested else None,
    )


def _frozen(entity: Entity, parent: Entity, freeze: Freeze) -> FrozenAfter:
    return FrozenAfter(_value(entity, parent, freeze.attribute), timedelta(days=freeze.after_days))


def _path_parameters(entity: Entity) -> Sequence[str]:
    paths = (entity.endpoints.list, entity.endpoints.get or "", *entity.parameters.values())
    return tuple(dict.fromkeys(name for path in paths for name in path_parameters(path)))


def _conditions(entity: Entity, parent: Entity, conditions: Sequence[ParentCondition]) -> tuple[StoredCondition, ...]:
    return tuple(
        StoredCondition(_value(entity, parent, one.attribute), one.equals, one.before, one.after) for one in conditions
    )


def _find_reference(manifest: Manifest, entity: Entity, parent: Entity, name: str) -> StoredReference:
    """Return the nearest reference of this name: the parent's, or that of a record above it."""
    above: Entity | None = parent
    level = 0
    while above is not None:
        found = above.relationships.get(name)
        if found is not None and found.cardinality == "one":
            target = manifest.entities.get(EntityName(found.target))
            column = found.to if target is not None else None
            table = target.record_table if target is not None and column is not None else None
            custom_field = f"{manifest.adapter}_{name}_id"
            return StoredReference(name, column, custom_field, EntityName(found.target), table, level)
        above, level = manifest.entities.get(above.parent or EntityName("")), level + 1
    raise DefinitionError(
        f"{entity.name}.endpoints: expected {{{name}}} to be a to-one relationship of {parent.name} or of one above"
    )


def _value(entity: Entity, parent: Entity, name: str) -> StoredValue:
    attribute = parent.attributes.get(name)
    if attribute is None:
        raise DefinitionError(f"{entity.name}.nested: expected {name!r} to be an attribute of {parent.name}")
    types = {column.name: column.type for column in parent.record_table.columns}
    return StoredValue(attribute.to, f"{parent.adapter}_{name}", is_time=types.get(attribute.to or "") in _TIMES)


def _watched(manifest: Manifest, entity: Entity, name: str) -> Watched:
    watched = manifest.entities.get(EntityName(name))
    columns = (
        one.to for one in (watched.relationships.values() if watched else ()) if one.target == entity.parent and one.to
    )
    column = next(columns, None)
    if watched is None or column is None:
        raise DefinitionError(
            f"{entity.name}.nested.triggers.watch: expected an entity that refers to {entity.parent}, found {name!r}"
        )
    return Watched(watched.name, watched.record_table, column)
