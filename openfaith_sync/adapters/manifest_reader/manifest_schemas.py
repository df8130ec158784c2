"""The JSON Schemas of manifest files, which editors use for completion and validation."""

import json
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.manifest.dialect_files import AnyAdapterFile
from openfaith_sync.domain.manifest.entity import ModuleFile
from openfaith_sync.domain.manifest.problem import Key

MODELS: dict[str, TypeAdapter[AnyAdapterFile] | TypeAdapter[ModuleFile]] = {
    "adapter": TypeAdapter(AnyAdapterFile),
    "module": TypeAdapter(ModuleFile),
}
"""The kinds of manifest files."""


def schema_text(kind: str) -> str:
    """Return the JSON Schema of one kind of manifest file, as text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **MODELS[kind].json_schema()}
    if kind == "module":
        _name_tables(schema["$defs"])
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def schema_file(kind: str) -> str:
    """Return the file name of a schema, which modelines in manifests refer to."""
    return f"{kind}.schema.json"


def known_keys(model: type[BaseModel], key: Key) -> tuple[str, ...]:
    """Return the keys that are allowed in the mapping at a key."""
    schema = _schema(model)
    node = schema
    for part in key:
        node = _resolved(schema, node)
        node = node.get("properties", {}).get(part) or _member(node)
    return tuple(_resolved(schema, node).get("properties", ()))


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _member(node: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the values in a mapping or list."""
    inside = [*node.get("patternProperties", {}).values(), node.get("additionalProperties"), node.get("items")]
    return next((part for part in inside if part), {})


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    node = choices[0] if choices else node
    reference = node.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else node


def _name_tables(definitions: dict[str, Any]) -> None:
    """Add the canonical tables, which the models check in code, and suggest their columns."""
    columns = sorted({column.name for table in CANONICAL_TABLES.values() for column in table.columns})
    definitions["EntityPart"]["properties"]["table"]["enum"] = [*sorted(CANONICAL_TABLES), None]
    for part in ("Attribute", "Relationship"):
        # A source table's columns have any names, so that these are examples.
        definitions[part]["properties"]["to"]["examples"] = columns
