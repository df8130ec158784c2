"""``<adapter>.coverage.yaml``: what becomes of each resource that a source documents."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.model import ManifestModel, SnakeCase
from openfaith_sync.domain.manifest.problem import ManifestProblem, ManifestProblems


class Decision(StrEnum):
    """What becomes of a resource."""

    SYNCED = "synced"
    """It has a listing of its own, church-wide or below a parent."""
    RIDES = "rides"
    """Its records come with another entity's."""
    REFERENCE = "reference"
    """A table that changes rarely and is read whole, at night."""
    DERIVED = "derived"
    """What it says is stored elsewhere."""
    EXCLUDED = "excluded"


class Covered(ManifestModel):
    """What becomes of one resource: exactly one of the decisions, with its entity or the reason."""

    synced: SnakeCase | None = None
    rides: SnakeCase | None = None
    reference: SnakeCase | None = None
    derived: str | None = Field(default=None, min_length=1)
    """Where what it says is stored."""
    excluded: str | None = Field(default=None, min_length=1)
    """The reason."""
    dropped: dict[SnakeCase, str] = Field(default_factory=dict)
    """The reason why an attribute is never stored."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(getattr(self, decision) is not None for decision in Decision) != 1:
            raise ManifestProblems(ManifestProblem((), f"exactly one of {', '.join(Decision)}"))
        return self

    @property
    def decision(self) -> Decision:
        """Return what becomes of the resource."""
        return next(decision for decision in Decision if getattr(self, decision) is not None)

    @property
    def entity(self) -> EntityName | None:
        """Return the entity that holds its records, if any does."""
        name = self.synced or self.rides or self.reference
        return EntityName(name) if name else None

    @property
    def reason(self) -> str:
        """Return why no entity holds its records."""
        return self.derived or self.excluded or ""


class CoverageFile(ManifestModel):
    """A coverage file: every resource that the source documents, by product."""

    resources: dict[SnakeCase, dict[str, Covered]]


def coverage_problems(coverage: CoverageFile, manifest: Manifest) -> Iterator[str]:
    """Yield where a coverage file and the manifest contradict each other."""
    named: dict[EntityName, str] = {}
    for product, resources in coverage.resources.items():
        for resource, covered in resources.items():
            name = f"{product}.{resource}"
            if covered.entity is None:
                continue
            if other := named.get(covered.entity):
                yield f"{name}: {covered.entity} is the entity of {other}"
            named[covered.entity] = name
            entity = manifest.entities.get(covered.entity)
            if entity is None:
                yield f"{name}: the manifest has no entity {covered.entity}"
            else:
                yield from _entity_problems(name, product, resource, covered, entity, manifest)
    for missing in manifest.entities.keys() - named.keys():
        yield f"{missing}: the entity of no resource"


def _entity_problems(
    name: str, product: str, resource: str, covered: Covered, entity: Entity, manifest: Manifest
) -> Iterator[str]:
    head = manifest.adapter_file.products.get(product)
    if entity.resource != resource or head is None or entity.path != (head.path or ""):
        yield f"{name}: {entity.name} holds {entity.path} {entity.resource}"
    rides = any(entity.name in other.sideload.values() for other in manifest.entities.values())
    is_never_asked = entity.cadence.delta == "never"
    if covered.decision is Decision.RIDES and not rides:
        yield f"{name}: {entity.name} comes with no other entity"
    if covered.decision is Decision.REFERENCE and not is_never_asked:
        yield f"{name}: {entity.name} is asked for changes every {entity.cadence.delta}"
    if covered.decision is Decision.SYNCED and is_never_asked and entity.cadence.reconcile == "never":
        yield f"{name}: {entity.name} has no listing that is read"
    for attribute in covered.dropped.keys() ^ set(entity.drop):
        yield f"{name}: {attribute} must be in both: in 'drop' of {entity.name}, and in 'dropped' with the reason"
