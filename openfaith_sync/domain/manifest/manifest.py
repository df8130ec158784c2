"""A manifest: what is true of one external system, as frozen values.

What all its entities share is in ``adapter_file.py``; one file a module holds the
entities. Reading the files is ``adapters/manifest_reader/manifest_files.py``; this module only
says what a right manifest is.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES, CanonicalTable
from openfaith_sync.domain.ids import AdapterName, EntityName
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.model import Part, SnakeCase, UrlPath, VersionDate

_WHERE = re.compile(r"where\[([a-z0-9_]+)\](?:\[(?:gt|gte|lt|lte)\])?")


class AttributeType(StrEnum):
    """The type the source documents for an attribute."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    DATE_TIME = "date_time"
    JSON = "json"
    PRIMARY_KEY = "primary_key"


class Parse(StrEnum):
    """A value parser beyond the plain type."""

    GENDER = "gender"
    STATUS = "status"
    PHONE = "phone"
    COUNTRY = "country"


class Attribute(Part):
    """One attribute of the source's resource."""

    type: AttributeType
    """The documented type. Where the attribute fills a column, a value of another shape
    makes the record a dead letter; without a column it is kept as it came."""
    to: SnakeCase | None = None
    """The canonical column; without one the value goes to `custom_fields`."""
    parse: Parse | None = None
    """How the text becomes the canonical value, beyond its type."""
    prefer: SnakeCase | None = None
    """Another attribute whose value is used instead when it is not empty."""
    extension: SnakeCase | None = None
    """The canonical column for the extension that a telephone number holds."""
    sparse: bool = False
    """Only sent when asked for by name in `fields[Resource]`."""
    wire: Literal["string", "number"] | None = None
    """The JSON type on the wire where it differs from the documented one."""


class Relationship(Part):
    """One relationship of the source's resource."""

    target: SnakeCase
    """The entity it points at; it need not be in the manifest."""
    resource: str
    """The target's JSON:API type on the wire."""
    others: dict[str, SnakeCase] = Field(default_factory=dict)
    """The other types on the wire that it may lead to, each with its entity. A reference of a type
    that is named nowhere is kept in `custom_fields`."""
    cardinality: Literal["one", "many"] = "one"
    nullable: bool = True
    """Whether the source may leave it unset. A required to-one is a hard dependency."""
    to: SnakeCase | None = None
    """The canonical column that gets the target's entity id; without one the
    external id of a to-one goes to `custom_fields` as `<adapter>_<name>_id`."""
    always: bool = False
    """Sent with every record; otherwise only with `include`."""

    @property
    def targets(self) -> dict[str, str]:
        """The entities it may lead to, by type on the wire."""
        return {self.resource: self.target, **self.others}


class DeltaCapability(StrEnum):
    """What the source can do to list only what changed."""

    FILTER = "filter"
    """It filters and orders by the version attribute."""
    ORDERED = "ordered"
    """It only orders by it."""
    NONE = "none"
    """It can do neither: full listing and content hash."""


class Delta(Part):
    """How changes of an entity can be found."""

    by: DeltaCapability
    attribute: SnakeCase | None = "updated_at"
    """The attribute that holds the source's version of a record."""
    overlap_seconds: int = Field(default=300, ge=0, le=86_400)
    """How far a delta looks back below the watermark."""

    @property
    def overlap(self) -> timedelta:
        """The overlap as a span of time."""
        return timedelta(seconds=self.overlap_seconds)


class BlindSpot(Part):
    """A change that the version attribute does not show."""

    change: str
    """What changes unseen."""
    source: str
    """Where this is known from."""
    covered_by: Literal["reconciliation", "full", "webhook"] = "reconciliation"


class Endpoints(Part):
    """Where an entity is read, below its product's path."""

    list: UrlPath
    get: UrlPath
    """Holds `{id}`."""


class Dependencies(Part):
    """Declared dependencies; they add to and override those of relationships."""

    hard: tuple[SnakeCase, ...] = ()
    soft: tuple[SnakeCase, ...] = ()


class Nested(Part):
    """How an entity is listed that exists only below another one."""

    under: SnakeCase
    """The relationship to the parent: its id fills `{parent}` in the endpoints."""
    members: SnakeCase | None = None
    """The parent's to-many relationship that names who belongs, where it has one."""
    member: SnakeCase | None = None
    """This entity's relationship that the parent's list names."""


class Merges(Part):
    """Where the source tells that one record became part of another."""

    list: UrlPath
    """Ordered and filtered by `created_at`; nothing is ever taken off it."""
    resource: str
    keep: SnakeCase
    """The attribute with the id that stays."""
    remove: SnakeCase
    """The attribute with the id that is gone."""
    webhook: str | None = None
    """The event that announces one."""


class EntityPart(Part):
    """One entity as a module file writes it."""

    resource: str
    """The JSON:API type on the wire."""
    table: SnakeCase
    """The canonical table its records are stored in."""
    description: str
    endpoints: Endpoints
    order_by: tuple[SnakeCase, ...] = ()
    """Keys the source can order by; unknown ones it ignores in silence."""
    filters: tuple[SnakeCase, ...] = ()
    """Attributes that `where[...]` really filters; unknown ones return all rows."""
    includes: tuple[SnakeCase, ...] = ()
    """Relationships the source can include."""
    edges: tuple[SnakeCase, ...] = ()
    """What a record that is read alone links to."""
    scopes: tuple[SnakeCase, ...] = ()
    """The named selections that `filter=` takes."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Query parameters of every listing, such as `where[archive_status]: include`
    where the source would otherwise leave records out."""
    delta: Delta
    total_count: Literal["exact", "unreliable"] = "exact"
    """Whether `meta.total_count` can be believed."""
    blind_spots: tuple[BlindSpot, ...] = ()
    sideload: dict[SnakeCase, SnakeCase] = Field(default_factory=dict)
    """Child entities that ride along with this one: include name to entity."""
    nested: Nested | None = None
    """Set when it exists only below a parent; `{parent}` in the endpoints is the parent's id."""
    merges: Merges | None = None
    depends_on: Dependencies = Dependencies()
    attributes: dict[SnakeCase, Attribute]
    relationships: dict[SnakeCase, Relationship] = Field(default_factory=dict)
    webhooks: tuple[str, ...] = ()
    """Event names that announce changes of this entity."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = list(_entity_problems(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self


class ModuleFile(Part):
    """A module file: the entities of one product."""

    module: SnakeCase
    """The Dagster group of its assets."""
    product: SnakeCase
    """The product of `adapter.yaml` whose path and version apply."""
    entities: dict[SnakeCase, EntityPart]


class Entity(EntityPart):
    """One entity with what its module and product add."""

    name: EntityName
    module: SnakeCase
    path: UrlPath
    """The product's path, before the endpoints'."""
    version: VersionDate

    @property
    def parent(self) -> EntityName | None:
        """The entity below which it is listed."""
        return EntityName(self.relationships[self.nested.under].target) if self.nested else None

    @property
    def mergers(self) -> "Entity | None":
        """The listing of its merges, as an entity of the same name that is walked by ``created_at``."""
        if self.merges is None:
            return None
        endpoints = self.endpoints.model_copy(update={"list": self.merges.list})
        delta = self.delta.model_copy(update={"by": DeltaCapability.FILTER, "attribute": "created_at"})
        listing = {"resource": self.merges.resource, "endpoints": endpoints, "delta": delta, "sideload": {}}
        return self.model_copy(update={**listing, "parameters": {}, "total_count": "exact"})

    @property
    def canonical(self) -> CanonicalTable:
        """The table its records are stored in."""
        return CANONICAL_TABLES[self.table]


class Manifest(Part):
    """A whole manifest: an adapter and all its entities, names resolved."""

    adapter_file: AdapterFile
    entities: dict[EntityName, Entity]

    @property
    def adapter(self) -> AdapterName:
        """The adapter's name."""
        return AdapterName(self.adapter_file.adapter)

    @cached_property
    def fingerprint(self) -> str:
        """Changes exactly when the manifest says something else."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def entity_fingerprint(self, name: EntityName) -> str:
        """Changes exactly when what is said of this entity, or of all of them, changes."""
        text = self.adapter_file.model_dump_json() + self.entities[name].model_dump_json()
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _entity_problems(entity: EntityPart) -> list[str]:
    """Say what in an entity contradicts itself or the canonical tables."""
    problems: list[str] = []
    table = CANONICAL_TABLES.get(entity.table)
    if table is None:
        known = ", ".join(sorted(CANONICAL_TABLES))
        return [f"table: found {entity.table!r}, expected one of {known}"]
    columns = {column.name for column in table.columns}
    filled: dict[str, str] = {}
    targets = [(f"attributes.{n}.to", a.to) for n, a in entity.attributes.items()]
    targets += [(f"attributes.{n}.extension", a.extension) for n, a in entity.attributes.items()]
    targets += [(f"relationships.{n}.to", r.to) for n, r in entity.relationships.items()]
    for key, column in targets:
        if column is None:
            continue
        if column not in columns:
            expected = ", ".join(sorted(columns))
            problems.append(f"{key}: found {column!r}, expected a column of {entity.table}: {expected}")
        elif column in filled:
            problems.append(f"{key}: found {column!r}, which {filled[column]} fills already")
        filled[column] = key
    for name, relationship in entity.relationships.items():
        if relationship.to and relationship.cardinality == "many":
            problems.append(f"relationships.{name}.to: a to-many cannot fill a column")
    problems += [
        f"attributes.{name}.prefer: found {attribute.prefer!r}, expected an attribute of this entity"
        for name, attribute in entity.attributes.items()
        if attribute.prefer and attribute.prefer not in entity.attributes
    ]
    problems += [
        f"attributes.{name}.extension: found {attribute.extension!r}, expected it beside 'parse: phone' and 'to'"
        for name, attribute in entity.attributes.items()
        if attribute.extension and (attribute.parse is not Parse.PHONE or attribute.to is None)
    ]
    problems += [
        f"sideload.{include}: found {include!r}, expected one of includes: {', '.join(entity.includes)}"
        for include in entity.sideload
        if include not in entity.includes
    ]
    problems += _parameter_problems(entity)
    problems += _delta_problems(entity)
    problems += _nested_problems(entity)
    if "{id}" not in entity.endpoints.get:
        problems.append(f"endpoints.get: found {entity.endpoints.get!r}, expected a path with {{id}}")
    return problems


def _parameter_problems(entity: EntityPart) -> Iterator[str]:
    for name in entity.parameters:
        filtered = _WHERE.fullmatch(name)
        if filtered is None and name != "filter":
            yield f"parameters: found {name!r}, expected where[...] or filter; all others are set by the engine"
        elif filtered and filtered[1] not in entity.filters:
            known = ", ".join(entity.filters)
            yield f"parameters: found {name!r}, expected one of filters: {known}; the source ignores unknown ones"
        elif filtered and filtered[1] == entity.delta.attribute:
            yield f"parameters: found {name!r}, which deltas set themselves"


def _nested_problems(entity: EntityPart) -> Iterator[str]:
    nested = entity.nested
    for name in ("list", "get"):
        path = getattr(entity.endpoints, name)
        if nested and "{parent}" not in path:
            yield f"endpoints.{name}: found {path!r}, expected a path with {{parent}}, since the entity is nested"
        if not nested and "{parent}" in path:
            yield f"endpoints.{name}: found {path!r}, expected no {{parent}}, since the entity is not nested"
    if nested is None:
        return
    under = entity.relationships.get(nested.under)
    if under is None or under.cardinality == "many" or under.nullable:
        yield f"nested.under: found {nested.under!r}, expected a required to-one relationship of this entity"
    if (nested.members is None) != (nested.member is None):
        yield "nested: found one of members and member, expected both or neither"
    if nested.member is not None and nested.member not in entity.relationships:
        yield f"nested.member: found {nested.member!r}, expected a relationship of this entity"
    if entity.delta.by is not DeltaCapability.NONE:
        yield f"delta.by: found {entity.delta.by.value!r}, expected none, since the entity is nested"


def _delta_problems(entity: EntityPart) -> list[str]:
    delta, problems = entity.delta, []
    if delta.by is not DeltaCapability.NONE and delta.attribute is None:
        problems.append(f"delta.attribute: found nothing, expected an attribute, since delta.by is {delta.by}")
    if delta.attribute is None:
        return problems
    if delta.attribute not in entity.attributes:
        problems.append(f"delta.attribute: found {delta.attribute!r}, expected an attribute of this entity")
    if delta.by is DeltaCapability.FILTER and delta.attribute not in entity.filters:
        problems.append(f"delta.by: found 'filter', but {delta.attribute} is not one of filters")
    if delta.by is not DeltaCapability.NONE and delta.attribute not in entity.order_by:
        problems.append(f"delta.by: found {delta.by.value!r}, but {delta.attribute} is not one of order_by")
    return problems
