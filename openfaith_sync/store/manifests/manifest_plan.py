"""What a manifest changes in the database, before it does."""

from collections.abc import Iterator, Mapping

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import live_schema
from openfaith_sync.store.manifests.hidden_columns import hidden_of, load_hidden
from openfaith_sync.store.manifests.source_views import (
    VIEW_COST,
    ViewColumn,
    in_existing_order,
    load_definition,
    load_normalized,
    view_columns,
    view_query,
)
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.adapter_schemas import AdapterSchema, load_live_schema, load_schema, schema_changes
from openfaith_sync.store.schema.catalogue import Relation, load_relations
from openfaith_sync.store.schema.changes import SchemaChange, SchemaStatement, quoted


def plan_changes(connection: Connection, manifest: Manifest) -> list[SchemaChange]:
    """Return what is missing for a manifest's entities, in the order in which it is made; nothing is changed.

    Raises:
        DefinitionError: The manifest and what is there contradict each other.
    """
    # They import SQLAlchemy, which takes longer than everything else here and is needed only for changes.
    from openfaith_sync.store.manifests import live_views, table_changes  # noqa: PLC0415

    schema = load_schema(connection, manifest.adapter)
    schema_of_views = load_live_schema(connection, manifest.adapter, schema.owner)
    relations = load_relations(connection, manifest.adapter)
    living = load_relations(connection, live_schema(manifest.adapter))
    hidden = load_hidden(connection, manifest, relations)
    (today,) = fetch_one(connection, "SELECT current_date", ())
    planned = list(schema_changes(schema, schema_of_views, manifest.adapter, manifest.adapter_file.title))
    for entity in manifest.entities.values():
        table, relation, live = entity.record_table, relations.get(entity.source_name), living.get(entity.source_name)
        of_it = hidden_of(entity, hidden)
        if entity.table is None:
            made = table_changes.table_changes(table, relation, schema.owner, schema.engine, today)
            view = live_views.live_view_of_table(table, relation, live, of_it, today)
            planned += live_views.with_live_view(connection, tuple(made), view, live, schema.engine)
    for entity in manifest.entities.values():
        live = living.get(entity.source_name)
        if entity.table is not None:
            planned += _view_changes(connection, entity, relations, schema)
            view = live_views.live_view_of_entity(entity, live, hidden_of(entity, hidden))
            planned += live_views.with_live_view(connection, (), view, live, schema.engine)
    return planned


def _view_changes(
    connection: Connection, entity: Entity, relations: Mapping[str, Relation], schema: AdapterSchema
) -> Iterator[SchemaChange]:
    relation = relations.get(entity.source_name)
    name = quoted(entity.adapter, entity.source_name)
    if relation is not None and relation.kind != "v":
        raise DefinitionError(
            f"{entity.adapter}.{entity.source_name} is the source table of {entity.name}, about {relation.rows:,} "
            f"rows, which now names the canonical table {entity.table}; a migration must move them (promote_table)"
        )
    columns = view_columns(entity)
    made = list(_definition_changes(connection, entity, name, columns, relation))
    said = {column.name: column.comment for column in columns}
    is_new = bool(made) and made[-1].statement.startswith("CREATE VIEW")
    comments = _comments(name, entity, said, None if is_new else relation)
    made += [SchemaStatement(statement) for statement in comments]
    if schema.engine is not None and (is_new or relation is None or not relation.is_granted):
        made.append(SchemaStatement(f"GRANT SELECT ON {name} TO {quoted(schema.engine)}"))
    if made:
        yield SchemaChange(f"view {entity.adapter}.{entity.source_name}", tuple(made))


def _comments(name: str, entity: Entity, said: Mapping[str, str], relation: Relation | None) -> Iterator[str]:
    from openfaith_sync.store.manifests.table_changes import comment_changes  # noqa: PLC0415  as above

    yield from comment_changes(
        name,
        "VIEW",
        f"{entity.description} From {entity.record_table.schema}.{entity.record_table.name}.",
        said,
        relation,
    )


def _definition_changes(
    connection: Connection, entity: Entity, name: str, columns: tuple[ViewColumn, ...], relation: Relation | None
) -> Iterator[SchemaStatement]:
    if relation is not None:
        ordered = in_existing_order(columns, relation.columns)
        if ordered is not None:
            query = view_query(entity, ordered)
            if load_normalized(connection, query) != load_definition(connection, name):
                yield SchemaStatement(
                    f"CREATE OR REPLACE VIEW {name} WITH (security_invoker = true) AS\n{query}", VIEW_COST
                )
            return
        yield SchemaStatement(f"DROP VIEW {name}", VIEW_COST)
    yield SchemaStatement(
        f"CREATE VIEW {name} WITH (security_invoker = true) AS\n{view_query(entity, columns)}", VIEW_COST
    )
