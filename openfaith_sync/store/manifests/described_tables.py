"""Describe all tables and views of records, from the definitions that make them."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date

from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES, REFERRED_TABLES
from openfaith_sync.domain.data_dictionary.described import (
    CustomField,
    DataDictionary,
    DescribedColumn,
    DescribedRelation,
    RelationKind,
)
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.source_columns import shape_of
from openfaith_sync.domain.record_tables import (
    CANONICAL_SCHEMA,
    SQL_TYPES,
    SYNC_COLUMNS,
    ColumnType,
    RecordTable,
    live_schema,
)
from openfaith_sync.domain.sensitivity import Sensitivity, strictest
from openfaith_sync.domain.summary_views import SUMMARY_VIEWS, SummaryView
from openfaith_sync.store.manifests.hidden_columns import HiddenColumns, hidden_columns, hidden_of
from openfaith_sync.store.manifests.live_views import LiveView, live_view_of_entity, live_view_of_table
from openfaith_sync.store.manifests.source_views import ViewColumn, view_columns
from openfaith_sync.store.schema.canonical_tables import build_table

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_BY_SOURCE = "custom_fields"
"""The column of canonical tables that their live views leave out."""


def describe_tables(manifests: Sequence[Manifest]) -> DataDictionary:
    """Return all tables and views that these manifests make in a new database, and the canonical ones."""
    found = [*_canonical(manifests), *map(_summary, SUMMARY_VIEWS)]
    hidden = hidden_columns(manifests)
    for manifest in manifests:
        found += _of_adapter(manifest, hidden)
    return DataDictionary(tuple(sorted(found, key=lambda relation: relation.schema)))


def _canonical(manifests: Sequence[Manifest]) -> Iterator[DescribedRelation]:
    for table in CANONICAL_TABLES.values():
        filling = [
            (entity, manifest.entities.keys())
            for manifest in manifests
            for entity in manifest.entities.values()
            if entity.table == table.name
        ]
        levels = [entity.column_sensitivities for entity, _ in filling]
        own = {column.name: column.sensitivity for column in table.columns}
        columns = tuple(
            DescribedColumn(
                name,
                kind,
                comment,
                strictest([own.get(name, Sensitivity.PUBLIC), *(one[name] for one in levels if name in one)]),
                tuple(source for entity, _ in filling for source in _sources(entity).get(name, ())),
                _canonical_joins(table, name),
            )
            for name, kind, comment in _built(table)
        )
        custom = tuple(field for entity, known in filling for field in _custom_fields(entity, known))
        yield DescribedRelation(
            table.schema, table.name, RelationKind.TABLE, table.comment, table.sensitivity, columns, custom
        )
        yield DescribedRelation(
            live_schema(table.schema),
            table.name,
            RelationKind.LIVE_VIEW,
            f"{table.comment} Living rows of {table.schema}.{table.name}.",
            table.sensitivity,
            tuple(_among_living(column) for column in columns if column.name not in {*SYNC_COLUMNS, _BY_SOURCE}),
        )


def _summary(view: SummaryView) -> DescribedRelation:
    columns = tuple(
        DescribedColumn(
            column.name,
            SQL_TYPES[column.type],
            column.comment,
            column.sensitivity,
            (),
            _live_joins(column.name) if column.type is ColumnType.REFERENCE else (),
        )
        for column in view.columns
    )
    return DescribedRelation(
        live_schema(CANONICAL_SCHEMA), view.name, RelationKind.VIEW, view.comment, view.sensitivity, columns
    )


def _live_joins(column: str) -> tuple[str, ...]:
    return (f"{live_schema(CANONICAL_SCHEMA)}.{REFERRED_TABLES[column]}",)


def _of_adapter(manifest: Manifest, hidden: HiddenColumns) -> Iterator[DescribedRelation]:
    for entity in manifest.entities.values():
        table = entity.record_table
        of_it = hidden_of(entity, hidden)
        types = {name: kind for name, kind, _ in _built(table)}
        if entity.table is None:
            columns = [ViewColumn(name, name, None, comment, name) for name, _, comment in _built(table)]
            view = live_view_of_table(table, None, None, of_it, date.min)
            kind, description = RelationKind.TABLE, entity.description
        else:
            columns = list(view_columns(entity))
            view = live_view_of_entity(entity, None, of_it)
            kind, description = RelationKind.VIEW, f"{entity.description} From {table.schema}.{table.name}."
        described = _Described(manifest, entity, types)
        custom = tuple(_custom_fields(entity, manifest.entities.keys()))
        yield DescribedRelation(
            entity.adapter,
            entity.source_name,
            kind,
            description,
            entity.sensitivity,
            described.columns(columns),
            custom,
        )
        yield _live(described, view, custom)


def _live(described: "_Described", view: LiveView, custom: tuple[CustomField, ...]) -> DescribedRelation:
    columns = tuple(_among_living(column) for column in described.columns(view.columns))
    shows_custom = any(column.name == "custom_fields" for column in columns)
    return DescribedRelation(
        view.schema,
        view.name,
        RelationKind.LIVE_VIEW,
        view.comment,
        described.entity.sensitivity,
        columns,
        custom if shows_custom else (),
    )


class _Described:
    """Describes the columns of one entity's table and views."""

    def __init__(self, manifest: Manifest, entity: Entity, types: Mapping[str, str]) -> None:
        shape = shape_of(entity, entity.adapter)
        is_source = entity.table is None
        self.entity = entity
        self._types = types
        self._attributes = {
            (is_source and part.to) or shape.attributes[name]: name for name, part in entity.attributes.items()
        }
        self._joins = {
            (is_source and part.to) or shape.relationships[name]: tuple(
                f"{entity.adapter}.{manifest.entities[EntityName(target)].source_name}"
                for target in dict.fromkeys(part.targets.values())
                if target in manifest.entities
            )
            for name, part in entity.relationships.items()
            if part.to and name in shape.relationships
        }
        self._references = {
            (is_source and part.to) or shape.relationships[name]: name
            for name, part in entity.relationships.items()
            if name in shape.relationships
        }

    def columns(self, columns: Sequence[ViewColumn]) -> tuple[DescribedColumn, ...]:
        return tuple(self._column(column) for column in columns)

    def _column(self, column: ViewColumn) -> DescribedColumn:
        kind = self._types[column.reads] if column.type is None else SQL_TYPES[column.type]
        attribute = self._attributes.get(column.name)
        levels = [self.entity.column_sensitivities[column.reads]]
        if attribute is not None and column.reads == "custom_fields":
            levels = [self.entity.sensitivity_of(attribute)]
        source = attribute or self._references.get(column.name)
        named = (f"{self.entity.adapter} {self.entity.resource}.{source}",) if source is not None else ()
        joins = self._joins.get(column.name, ())
        if column.name == "merged_into_id":
            joins = (f"{self.entity.adapter}.{self.entity.source_name}",)
        return DescribedColumn(column.name, kind, column.comment, strictest(levels), named, joins)


def _built(table: RecordTable) -> Iterator[tuple[str, str, str]]:
    """Yield each column of a table: its name, its type as PostgreSQL writes it, and what it holds."""
    for column in build_table(table, MetaData()).columns:
        kind = column.type.compile(dialect=_DIALECT).partition(" COLLATE")[0].lower()
        yield str(column.name), kind, column.comment or ""


def _sources(entity: Entity) -> Mapping[str, list[str]]:
    """Return what fills each column of an entity's table."""
    found: dict[str, list[str]] = {}
    for name, attribute in entity.attributes.items():
        for column in {attribute.to, attribute.extension} - {None}:
            names = [name, attribute.prefer] if attribute.prefer and column == attribute.to else [name]
            found.setdefault(str(column), []).extend(f"{entity.adapter} {entity.resource}.{one}" for one in names)
    for name, relationship in entity.relationships.items():
        for column in relationship.by_column:
            found.setdefault(column, []).append(f"{entity.adapter} {entity.resource}.{name}")
    return found


def _canonical_joins(table: RecordTable, column: str) -> tuple[str, ...]:
    target = table.name if column == "merged_into_id" else REFERRED_TABLES.get(column)
    return (f"{table.schema}.{target}",) if target else ()


def _among_living(column: DescribedColumn) -> DescribedColumn:
    """Return the column as its live view has it: it leads to the living rows of its target."""
    joins = tuple(f"{live_schema(schema)}.{table}" for schema, _, table in (one.partition(".") for one in column.joins))
    return DescribedColumn(column.name, column.type, column.description, column.sensitivity, column.sources, joins)


def _custom_fields(entity: Entity, known: AbstractSet[str]) -> Iterator[CustomField]:
    """Yield the keys of the custom fields that an entity's records can have, as far as the manifest names them."""
    of, resource = f"{entity.adapter}/{entity.name}", entity.resource
    for name, attribute in entity.attributes.items():
        if attribute.to is None:
            key, level = f"{entity.adapter}_{name}", entity.sensitivity_of(name)
            yield CustomField(of, key, attribute.type.value, f"{entity.adapter} {resource}.{name}", level)
    for name, relationship in entity.relationships.items():
        source = f"{entity.adapter} {resource}.{name}"
        if relationship.cardinality == "many" and name not in entity.includes:
            yield CustomField(of, f"{entity.adapter}_{name}_ids", "external ids", source, entity.sensitivity)
        # A record that is not stored is found by the source's id only.
        is_kept = relationship.to is None or not known >= set(relationship.targets.values())
        if relationship.cardinality == "one" and is_kept:
            yield CustomField(of, f"{entity.adapter}_{name}_id", "external id", source, entity.sensitivity)
