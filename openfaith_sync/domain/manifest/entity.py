"""One entity of a manifest, checked, and with what its module and product add."""

from typing import Self

from pydantic import model_validator

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES, CanonicalTable
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity_checks import entity_problems
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability, EntityKeys
from openfaith_sync.domain.manifest.model import Part, SnakeCase, VersionDate
from openfaith_sync.domain.manifest.problem import ManifestProblems


class EntityPart(EntityKeys):
    """One entity as a module file writes it."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = list(entity_problems(self))
        if problems:
            raise ManifestProblems(*problems)
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
    path: str
    """The product's path, before the endpoints'; may be empty."""
    version: VersionDate | None = None

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
