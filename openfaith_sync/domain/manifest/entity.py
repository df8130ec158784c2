"""One entity of a manifest, validated and completed with the keys of its module and product."""

from collections.abc import Container, Mapping
from functools import cached_property
from typing import Any, Self

from pydantic import model_validator

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.adapter_file import Product
from openfaith_sync.domain.manifest.entity_checks import entity_problems
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability, EntityKeys
from openfaith_sync.domain.manifest.model import ManifestModel, SnakeCase, VersionDate
from openfaith_sync.domain.manifest.privacy import column_sensitivities, sensitivity_of
from openfaith_sync.domain.manifest.problem import ManifestProblems
from openfaith_sync.domain.manifest.source_columns import source_table, table_name, with_columns
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.domain.sensitivity import Sensitivity


class EntityPart(EntityKeys):
    """One entity as a module file writes it."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = list(entity_problems(self))
        if problems:
            raise ManifestProblems(*problems)
        return self


class ModuleFile(ManifestModel):
    """A module file: the entities of one product."""

    module: SnakeCase
    """The Dagster group of its assets."""
    product: SnakeCase
    """The product of `adapter.yaml` whose path and version apply."""
    entities: dict[SnakeCase, EntityPart]


class Entity(EntityPart):
    """One entity, completed with the keys of its module and product, and with the columns of its source table."""

    name: EntityName
    adapter: SnakeCase
    module: SnakeCase
    path: str
    """The product's path, a prefix of the endpoints' paths; may be empty."""
    version: VersionDate | None = None

    @property
    def parent(self) -> EntityName | None:
        """Return the entity below which it is listed, if it is nested."""
        return EntityName(self.relationships[self.nested.under].target) if self.nested else None

    @property
    def variants_count(self) -> int:
        """Return of how many variants its listing is made."""
        return max(1, len(self.variants))

    @property
    def has_one_record(self) -> bool:
        """Return whether its path gives one record and no list."""
        return self.singleton or (self.nested is not None and self.nested.one)

    @property
    def merge_listing(self) -> "Entity | None":
        """Return the listing of its merges, as an entity of the same name with ``created_at`` as its version."""
        if self.merges is None:
            return None
        endpoints = self.endpoints.model_copy(update={"list": self.merges.list})
        delta = self.delta.model_copy(update={"by": DeltaCapability.FILTER, "attribute": "created_at"})
        listing = {"resource": self.merges.resource, "endpoints": endpoints, "delta": delta, "sideload": {}}
        plain = {"parameters": {}, "variants": (), "include": (), "fieldset": False, "page_size": None, "drop": ()}
        return self.model_copy(update={**listing, **plain, "total_count": "exact"})

    @property
    def source_name(self) -> str:
        """Return the name of its source table, or of its view, in the schema of its adapter."""
        return table_name(self, self.name)

    @cached_property
    def record_table(self) -> RecordTable:
        """Return the table of its records."""
        if self.table is not None:
            return CANONICAL_TABLES[self.table]
        return source_table(self, self.name, self.adapter, has_merges=self.merges is not None, comment=self.description)

    @property
    def column_sensitivities(self) -> Mapping[str, Sensitivity]:
        """Return how sensitive each column of its table is; of an entity without merges, one more than it has."""
        return column_sensitivities(self, self.record_table)

    @property
    def hidden_columns(self) -> frozenset[str]:
        """Return the columns of its table that no reader is granted without asking for them by name."""
        return frozenset(name for name, found in self.column_sensitivities.items() if not found.is_granted)

    def sensitivity_of(self, attribute: str) -> Sensitivity:
        """Return how sensitive an attribute of the source's record is, also one that the manifest does not name."""
        return sensitivity_of(self, attribute)

    def with_renamed_columns(self, renamed: Mapping[str, str]) -> Self:
        """Return the entity with other names for some columns of its source table."""
        attributes = {
            name: part.model_copy(
                update={
                    "to": renamed.get(part.to or "", part.to),
                    "extension": renamed.get(part.extension or "", part.extension),
                }
            )
            for name, part in self.attributes.items()
        }
        relationships = {
            name: part.model_copy(update={"to": renamed.get(part.to or "", part.to)})
            for name, part in self.relationships.items()
        }
        return self.model_copy(update={"attributes": attributes, "relationships": relationships})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a changed copy, without the table cached from the original."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("record_table", None)
        return copied


def complete_entity(
    part: EntityPart, name: str, adapter: str, module: str, product: Product, known: Container[str]
) -> Entity:
    """Return an entity with the keys of its module and product, and the columns of its source table.

    Args:
        part: The entity as its module file has it.
        name: Its name there.
        adapter: The adapter's name.
        module: The module's name.
        product: The product of its module.
        known: The entities of the manifest, which references may lead to.
    """
    attributes, relationships = with_columns(part, adapter, known)
    completed = {"resource": part.resource or name, "attributes": attributes, "relationships": relationships}
    return Entity(
        **{field: getattr(part, field) for field in EntityPart.model_fields} | completed,
        name=EntityName(name),
        adapter=adapter,
        module=module,
        path=product.path or "",
        version=product.version,
    )
