"""The data dictionary as dbt's ``sources.yml``: one source a schema, for dbt 1.10 and newer."""

from typing import Any

from openfaith_sync.domain.data_dictionary.described import DataDictionary, DescribedColumn, DescribedRelation

_REQUIRED = ("id", "org_id", "external_id", "adapter", "type")


def dbt_sources(dictionary: DataDictionary) -> dict[str, Any]:
    """Return what ``sources.yml`` holds.

    A reference to one kind of record has a relationships test. It warns only: a target may not be synced yet.
    """
    return {
        "version": 2,
        "sources": [
            {
                "name": schema,
                "schema": schema,
                "description": f"Records that OpenFaith Sync keeps, schema {schema}.",
                "tables": [_table(dictionary, relation) for relation in dictionary.of_schema(schema)],
            }
            for schema in dictionary.schemas
        ],
    }


def _table(dictionary: DataDictionary, relation: DescribedRelation) -> dict[str, Any]:
    meta: dict[str, Any] = {"kind": relation.kind.value, "sensitivity": relation.sensitivity.value}
    if relation.custom_fields:
        meta["custom_fields"] = [
            {
                "key": found.key,
                "entity": found.entity,
                "type": found.type,
                "source": found.source,
                "sensitivity": found.sensitivity.value,
            }
            for found in relation.custom_fields
        ]
    return {
        "name": relation.name,
        "description": relation.description,
        "config": {"meta": meta, "tags": [relation.sensitivity.value]},
        "columns": [_column(dictionary, column) for column in relation.columns],
    }


def _column(dictionary: DataDictionary, column: DescribedColumn) -> dict[str, Any]:
    meta: dict[str, Any] = {"sensitivity": column.sensitivity.value}
    if column.sources:
        meta["sources"] = list(column.sources)
    if column.joins:
        meta["joins"] = [f"(org_id, {column.name}) = ({table}.org_id, {table}.id)" for table in column.joins]
    found: dict[str, Any] = {
        "name": column.name,
        "data_type": column.type,
        "description": column.description,
        "config": {"meta": meta, "tags": [column.sensitivity.value]},
    }
    tests: list[Any] = ["not_null"] if column.name in _REQUIRED else []
    known = {relation.qualified for relation in dictionary.relations}
    if len(column.joins) == 1 and column.joins[0] in known:
        schema, _, table = column.joins[0].partition(".")
        arguments = {"to": f"source('{schema}', '{table}')", "field": "id"}
        tests.append({"relationships": {"arguments": arguments, "config": {"severity": "warn"}}})
    return found | ({"data_tests": tests} if tests else {})
