"""What a response includes beside its records: the records of other entities, and ids of related records.

A child of a child is linked by the record that it comes with. The source also names it in a relationship of the
primary record, joined over all that this one includes, which says nothing (docs/pco.md 1.6).
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from openfaith_sync.adapters.dialects.json_api.resource_objects import ResourceShape, read_resource
from openfaith_sync.adapters.dialects.pages.rows import with_parent
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.records.record import RawRecord


class Inclusion(NamedTuple):
    """What one request for whole records of an entity includes."""

    entity: Entity
    children: Mapping[str, Entity]
    """The entities whose records are stored, by include path."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the include paths, those for ids only first."""
        return tuple(dict.fromkeys((*self.entity.include, *self.children)))

    def names_below(self, first: str = "") -> frozenset[str]:
        """Return the relationships that are included of the records, or of what they include as ``first``."""
        steps = (path.partition(".") for path in self.paths)
        return frozenset(last if first else step for step, _, last in steps if not first or (step == first and last))

    def shape(self, *, is_whole: bool = True) -> ResourceShape:
        """Return how the entity's own records are read."""
        joined = {last for _, dot, last in (path.partition(".") for path in self.paths) if dot}
        shape = shape_of(self.entity, self.names_below(), is_whole=is_whole)
        return shape._replace(ignored=frozenset(joined - self.names_below() - _sent_always(self.entity)))

    def fieldsets(self) -> Mapping[str, Sequence[str]]:
        """Return the attributes and relationships to ask for by name, by resource."""
        names: dict[str, set[str]] = {}
        if self.entity.fieldset:
            names[self.entity.resource] = _names_of(self.entity) | self.names_below()
        for path, child in self.children.items():
            if child.fieldset:
                names.setdefault(child.resource, set()).update(_names_of(child), self.names_below(path))
        return {resource: sorted(found) for resource, found in names.items()}


def shape_of(entity: Entity, included: Container[str] = (), *, is_whole: bool = True) -> ResourceShape:
    """Return how records of an entity are read that came with these relationships included."""
    unasked = (name for name in entity.includes if name not in included)
    return ResourceShape(
        entity.resource,
        frozenset(entity.drop),
        needs_attributes=is_whole and bool(entity.attributes),
        unasked=frozenset(unasked) - _sent_always(entity),
    )


def read_children(
    inclusion: Inclusion, included: Sequence[object], records: Sequence[RawRecord], parent: ExternalId | None
) -> dict[EntityName, tuple[RawRecord, ...]]:
    """Return the included records by entity, each with a reference to the parent that it is nested under.

    ``parent`` is the one whose list the records are.
    """
    by_type: dict[str, tuple[EntityName, ResourceShape]] = {
        child.resource: (child.name, shape_of(child, inclusion.names_below(path))._replace(resource=None))
        for path, child in inclusion.children.items()
    }
    found: dict[EntityName, list[RawRecord]] = {child.name: [] for child in inclusion.children.values()}
    for resource in included:
        kind = resource.get("type") if isinstance(resource, dict) else None
        # A resource without a type matches no entity; the children's own count then shows that one is missing.
        if isinstance(kind, str) and (known := by_type.get(kind)) is not None:
            found[known[0]].append(read_resource(resource, known[1]))
    for path, child in inclusion.children.items():
        if child.nested is not None:
            parents = _parents_of(inclusion, path, records, found, parent)
            found[child.name] = [_below(child, parents, raw) for raw in found[child.name]]
    return {name: tuple(raws) for name, raws in found.items()}


class _Parents(NamedTuple):
    """What the records of a child are nested under."""

    by_child: Mapping[ExternalId, ExternalId]
    of_all: ExternalId | None = None


def _parents_of(
    inclusion: Inclusion,
    path: str,
    records: Sequence[RawRecord],
    found: Mapping[EntityName, Sequence[RawRecord]],
    parent: ExternalId | None,
) -> _Parents:
    entity, child = inclusion.entity, inclusion.children[path]
    first, _, second = path.partition(".")
    between = inclusion.children.get(first) if second else None
    if child.parent == entity.parent:
        return _Parents({}, parent)
    if child.parent == entity.name:
        by_first = _owners(records, first)
        if between is None:
            return _Parents(by_first)
        by_second = _owners(found[between.name], second)
        return _Parents({one: by_first[owner] for one, owner in by_second.items() if owner in by_first})
    return _Parents(_owners(found[between.name], second) if between is not None else {})


def _owners(records: Iterable[RawRecord], name: str) -> dict[ExternalId, ExternalId]:
    """Return the record that names each target of a relationship."""
    return {target: record.external_id for record in records for target in _targets(record, name)}


def _targets(record: RawRecord, name: str) -> Iterator[ExternalId]:
    single = record.references.get(name)
    if single is not None:
        yield single.external_id
    for member in (record.members or {}).get(name, ()):
        yield member.external_id


def _below(child: Entity, parents: _Parents, raw: RawRecord) -> RawRecord:
    """Return a record with its parent, unless it states one itself."""
    assert child.nested is not None
    if raw.references.get(child.nested.under) is not None:
        return raw
    return with_parent(child, parents.by_child.get(raw.external_id, parents.of_all), raw)


def _names_of(entity: Entity) -> set[str]:
    return {*entity.attributes, *entity.relationships}


def _sent_always(entity: Entity) -> frozenset[str]:
    return frozenset(name for name, part in entity.relationships.items() if part.always)
