"""Tables, views and columns of records, described for those who query them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from openfaith_sync.domain.sensitivity import Sensitivity


class RelationKind(StrEnum):
    """What a described relation is."""

    TABLE = "table"
    VIEW = "view"
    """A canonical table in the shape of one source's entity, or what several tables add up to."""
    LIVE_VIEW = "live view"
    """The living rows of a table or view."""


@dataclass(frozen=True, slots=True)
class DescribedColumn:
    """One column of a table or view."""

    name: str
    type: str
    """As PostgreSQL writes it."""
    description: str
    sensitivity: Sensitivity
    sources: tuple[str, ...] = ()
    """The attributes and relationships that fill it, as ``adapter Resource.name``."""
    joins: tuple[str, ...] = ()
    """The tables, with their schemas, whose ``id`` it holds."""


@dataclass(frozen=True, slots=True)
class CustomField:
    """A key of ``custom_fields`` that the records of one entity have."""

    entity: str
    """As ``adapter/entity``."""
    key: str
    type: str
    """As the source documents it."""
    source: str
    sensitivity: Sensitivity


@dataclass(frozen=True, slots=True)
class DescribedRelation:
    """One table or view."""

    schema: str
    name: str
    kind: RelationKind
    description: str
    sensitivity: Sensitivity
    columns: tuple[DescribedColumn, ...]
    custom_fields: tuple[CustomField, ...] = ()
    """Empty where there is no such column."""

    @property
    def qualified(self) -> str:
        """Return its name with its schema."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class DataDictionary:
    """All tables and views of records that manifests make, and the canonical ones."""

    relations: tuple[DescribedRelation, ...]

    def of_schema(self, schema: str) -> Sequence[DescribedRelation]:
        """Return the tables and views of one schema."""
        return [relation for relation in self.relations if relation.schema == schema]

    @property
    def schemas(self) -> list[str]:
        """Return the schemas, in the order of their first table."""
        return list(dict.fromkeys(relation.schema for relation in self.relations))
