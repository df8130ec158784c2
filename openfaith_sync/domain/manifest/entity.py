"""One entity of a manifest, validated and completed with the keys of its module and product."""

from typing import Self

from pydantic import model_validator

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity_checks import entity_problems
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability, EntityKeys
from openfaith_sync.domain.manifest.model import ManifestModel, SnakeCase, VersionDate
from openfaith_sync.domain.manifest.problem import ManifestProblems
from openfaith_sync.domain.record_tables import RecordTable


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
    """One entity, completed with the keys of its module and product."""

    name: EntityName
    module: SnakeCase
    path: str
    """The product's path, a prefix of the endpoints' paths; may be empty."""
    version: VersionDate | None = None

    @property
    def parent(self) -> EntityName | None:
        """Return the entity below which it is listed, if it is nested."""
        return EntityName(self.relationships[self.nested.under].target) if self.nested else None

    @property
    def merge_listing(self) -> "Entity | None":
        """Return the listing of its merges, as an entity of the same name with ``created_at`` as its version."""
        if self.merges is None:
            return None
        endpoints = self.endpoints.model_copy(update={"list": self.merges.list})
        delta = self.delta.model_copy(update={"by": DeltaCapability.FILTER, "attribute": "created_at"})
        listing = {"resource": self.merges.resource, "endpoints": endpoints, "delta": delta, "sideload": {}}
        return self.model_copy(update={**listing, "parameters": {}, "total_count": "exact"})

    @property
    def record_table(self) -> RecordTable:
        """Return the table of its records."""
        return CANONICAL_TABLES[self.table]
