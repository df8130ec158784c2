"""References: relationships as entity ids, right before their targets are stored.

The type on the wire decides which entity a reference means (law 14). A type that the manifest
does not name, or a value of an unexpected shape, is kept unchanged in the custom fields: an id
made from it would point to the wrong record or to none.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from openfaith_sync.domain.errors import RecordRejected
from openfaith_sync.domain.ids import AdapterName, EntityId, EntityName, IdDeriver, OrgId
from openfaith_sync.domain.manifest.attribute import Relationship
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.problem import ImpossibleMapping, ManifestProblem
from openfaith_sync.domain.mapping.parsing import json_type
from openfaith_sync.domain.record_tables import ColumnType
from openfaith_sync.domain.records.record import RawRecord, Reference
from openfaith_sync.domain.records.riding import Entities, naming_relationships


class _Target(NamedTuple):
    """An entity that a relationship may lead to."""

    derive: IdDeriver
    is_stored: bool
    """Whether a row leads back from its entity ids; if not, the external id is kept as well."""


class _Column(NamedTuple):
    """A to-one relationship that fills a column, or one of several by the type of what it refers to."""

    name: str
    places: Mapping[str, int]
    """By wire type."""
    targets: Mapping[str, _Target]
    """By wire type."""
    is_required: bool


class ReferenceMapper:
    """Maps the relationships of one entity's records."""

    __slots__ = ("_columns", "_filled", "_included", "_lists", "_named", "_ones", "_prefix", "_types")

    def __init__(self, entity: Entity, org: OrgId, adapter: AdapterName, entities: Entities) -> None:
        """Compile what the manifest says of relationships; a row leads back to those in ``entities``."""
        self._prefix = f"{adapter}_"
        relationships = entity.relationships
        self._columns = tuple(
            _Column(
                name,
                {kind: _place_of(entity, name, to) for to, kinds in part.by_column.items() for kind in kinds},
                _targets_of(part, org, adapter, entities),
                is_required=part.always and not part.nullable,
            )
            for name, part in relationships.items()
            if part.by_column
        )
        self._filled = frozenset(column.name for column in self._columns)
        self._ones = frozenset(name for name, part in relationships.items() if part.cardinality == "one")
        self._lists = frozenset(name for name, part in relationships.items() if part.cardinality == "many")
        naming = naming_relationships(entities, entity.name)
        # Relationships sent only on request must not change a record's content hash.
        sent = {name for name, part in relationships.items() if part.always} | naming | set(entity.include)
        self._included = frozenset(entity.includes) - sent
        # With a column alone, one that was not sent could not be told from one that is unset.
        self._named = naming & self._ones & self._filled
        self._types = {name: frozenset(part.targets) for name, part in relationships.items()}

    def __call__(self, raw: RawRecord, values: list[object], custom: dict[str, object]) -> list[str]:
        """Fill the reference columns, keep the other relationships, and return those whose columns stay empty.

        Raises:
            RecordRejected: A required reference is missing, or cannot be read as one.
        """
        references = raw.references
        if raw.members is not None:
            references = self._with_lone_members(references, raw.members)
        unreadable = self._fill(raw, references, values, custom)
        for name, found in references.items():
            if name not in self._filled:
                if name not in self._included:
                    self._keep_one(name, found, custom)
            elif name in self._named:
                self._keep(name, None if found is None else found.external_id, custom)
        if raw.members is not None:
            unreadable += self._keep_members(raw.members, custom)
        if raw.oddities is not None:
            for name, value in raw.oddities.items():
                self._keep(name, value, custom)
            unreadable += self._filled.intersection(raw.oddities)
        return unreadable

    def _fill(
        self,
        raw: RawRecord,
        references: Mapping[str, Reference | None],
        values: list[object],
        custom: dict[str, object],
    ) -> list[str]:
        """Fill the columns, and return the relationships to types that the manifest does not name."""
        unreadable: list[str] = []
        for name, places, targets, is_required in self._columns:
            found = references.get(name)
            target = None if found is None else targets.get(found.type)
            if found is not None and target is not None:
                values[places[found.type]] = target.derive(found.external_id)
                if not target.is_stored:
                    self._keep(name, found.external_id, custom)
            elif is_required:
                raise RecordRejected(name, _kind_of(raw, name), f"expected a reference to a {' or '.join(targets)}")
            elif found is not None:
                self._keep(name, self._shown(name, found), custom)
                unreadable.append(name)
        return unreadable

    def _with_lone_members(
        self, references: Mapping[str, Reference | None], members: Mapping[str, tuple[Reference, ...]]
    ) -> Mapping[str, Reference | None]:
        """Read a list of one as its member where the manifest expects one, and an empty list as unset."""
        lone = {name: (*members[name], None)[0] for name in members if name in self._ones and len(members[name]) <= 1}
        return {**references, **lone} if lone else references

    def _keep_one(self, name: str, found: Reference | None, custom: dict[str, object]) -> None:
        if name in self._lists:
            self._keep_list(name, (found,) if found is not None else (), custom)
        else:
            self._keep(name, None if found is None else self._shown(name, found), custom)

    def _keep_members(self, members: Mapping[str, tuple[Reference, ...]], custom: dict[str, object]) -> list[str]:
        """Keep the members, and lists that are too long for their columns."""
        unreadable: list[str] = []
        for name, linked in members.items():
            if name in self._ones:
                if len(linked) > 1:
                    self._keep_list(name, linked, custom)
                    unreadable += self._filled & {name}
            elif name not in self._included:
                self._keep_list(name, linked, custom)
        return unreadable

    def _keep_list(self, name: str, linked: Iterable[Reference], custom: dict[str, object]) -> None:
        """Keep a list, sorted: the source promises no order, so a new order is not a change."""
        ordered = sorted(linked, key=lambda found: (found.external_id, found.type))
        custom.setdefault(f"{self._prefix}{name}_ids", [self._shown(name, found) for found in ordered])

    def _shown(self, name: str, found: Reference) -> object:
        """Return the external id alone where the manifest names its type, else both."""
        if found.type in self._types.get(name, ()):
            return found.external_id
        return {"type": found.type, "id": found.external_id}

    def _keep(self, name: str, target: object, custom: dict[str, object]) -> None:
        """Keep a reference; an attribute of that name stays, and a reference that differs lies beside it."""
        key = f"{self._prefix}{name}_id"
        if key not in custom:
            custom[key] = target
        elif str(custom[key]) != str(target):
            custom[f"{key}_referenced"] = target


def derive_id(derive: IdDeriver, field: str, external_id: object) -> EntityId:
    """Return the entity id of an external id.

    Raises:
        RecordRejected: It is no id, or PostgreSQL cannot hold it.
    """
    if type(external_id) is str and external_id and "\0" not in external_id:
        try:
            return derive(external_id)
        except UnicodeEncodeError:
            pass
    raise RecordRejected(field, json_type(external_id), "expected an id: text that PostgreSQL can hold")


def _kind_of(raw: RawRecord, name: str) -> str:
    """Describe the value found in place of a reference, without showing it."""
    if raw.members is not None and len(raw.members.get(name, ())) > 1:
        return "array"
    if raw.oddities is not None and name in raw.oddities:
        return json_type(raw.oddities[name])
    if name not in raw.references:
        return "nothing"
    return "null" if raw.references[name] is None else "a reference of another type"


def _targets_of(part: Relationship, org: OrgId, adapter: AdapterName, entities: Entities) -> dict[str, _Target]:
    return {
        wire_type: _Target(IdDeriver(org, adapter, EntityName(target)), target in entities)
        for wire_type, target in part.targets.items()
    }


def _place_of(entity: Entity, name: str, wanted: str) -> int:
    for place, column in enumerate(entity.record_table.columns):
        if column.name == wanted and column.type is ColumnType.REFERENCE:
            return place
    key = (entity.name, "relationships", name, "to")
    raise ImpossibleMapping(ManifestProblem(key, "a reference column", repr(wanted)))
