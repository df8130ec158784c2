"""References: to-one relationships as entity ids, right before their targets are stored."""

from collections.abc import Container
from typing import NamedTuple

from openfaith_sync.domain.canonical import ColumnType
from openfaith_sync.domain.errors import DefinitionError, RecordRejected
from openfaith_sync.domain.ids import AdapterName, EntityId, EntityName, IdDeriver, OrgId
from openfaith_sync.domain.manifest import Entity
from openfaith_sync.domain.parsing import json_type
from openfaith_sync.domain.record import JsonObject


class _Reference(NamedTuple):
    """A to-one relationship that fills a column."""

    name: str
    place: int
    derive: IdDeriver
    is_required: bool
    keeps_external_id: bool


class ReferenceMapper:
    """Maps the to-one relationships of one entity's records."""

    __slots__ = ("_mapped", "_names", "_prefix")

    def __init__(self, entity: Entity, org: OrgId, adapter: AdapterName, entities: Container[str]) -> None:
        """Compile the relationships that have a column; a link leads back to those in ``entities``."""
        self._prefix = f"{adapter}_"
        self._mapped = tuple(
            _Reference(
                name,
                _place_of(entity, name, part.to),
                IdDeriver(org, adapter, EntityName(part.target)),
                is_required=part.always and not part.nullable,
                keeps_external_id=part.target not in entities,
            )
            for name, part in entity.relationships.items()
            if part.to is not None
        )
        self._names = frozenset(reference.name for reference in self._mapped)

    def __call__(self, references: JsonObject, values: list[object], custom: dict[str, object]) -> None:
        """Fill the reference columns; relationships without one go to the custom fields.

        Raises:
            RecordRejected: A required reference is missing, or one holds no id.
        """
        for name, place, derive, is_required, keeps_external_id in self._mapped:
            target = references.get(name)
            if target is not None:
                values[place] = derive_id(derive, name, target)
                if keeps_external_id:
                    self._keep(name, target, custom)
            elif is_required:
                raise RecordRejected(name, "null" if name in references else "nothing", "expected a reference")
        if not self._names.issuperset(references):
            for name in references.keys() - self._names:
                self._keep(name, references[name], custom)

    def _keep(self, name: str, target: object, custom: dict[str, object]) -> None:
        """Keep the external id; an attribute of that name stays, and a reference that differs lies beside it."""
        key = f"{self._prefix}{name}_id"
        if key not in custom:
            custom[key] = target
        elif str(custom[key]) != str(target):
            custom[f"{key}_referenced"] = target


def derive_id(derive: IdDeriver, field: str, external_id: object) -> EntityId:
    """Give the entity id of an external id.

    Raises:
        RecordRejected: It is no id, or PostgreSQL cannot hold it.
    """
    if type(external_id) is str and external_id and "\0" not in external_id:
        try:
            return derive(external_id)
        except UnicodeEncodeError:
            pass
    raise RecordRejected(field, json_type(external_id), "expected an id: text that PostgreSQL can hold")


def _place_of(entity: Entity, name: str, wanted: str) -> int:
    for place, column in enumerate(entity.canonical.columns):
        if column.name == wanted and column.type is ColumnType.REFERENCE:
            return place
    raise DefinitionError(f"{entity.name}.relationships.{name}.to: found {wanted!r}, expected a reference column")
