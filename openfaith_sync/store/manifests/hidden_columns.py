"""The columns that manifests call sensitive: no live view shows them, and readers are granted them only by name.

A column stays hidden when its attribute leaves the manifest, since its values stay.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import CANONICAL_SCHEMA
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.catalogue import Relation
from openfaith_sync.store.schema.physical_columns import physical_table, superseded

TableName = tuple[str, str]
"""Schema and name."""
HiddenColumns = Mapping[TableName, frozenset[str]]

_LOAD = "SELECT adapter, table_schema, table_name, column_name FROM sync.hidden_columns"
_SHOW = """
DELETE FROM sync.hidden_columns held USING unnest(%s::text[], %s::text[], %s::text[]) AS given (schema, name, own)
WHERE held.adapter = %s
  AND (held.table_schema, held.table_name, held.column_name) = (given.schema, given.name, given.own)
RETURNING held.table_schema
"""
_HIDE = """
INSERT INTO sync.hidden_columns (table_schema, table_name, column_name, adapter)
SELECT given.*, %s FROM unnest(%s::text[], %s::text[], %s::text[]) AS given ON CONFLICT DO NOTHING
RETURNING table_schema
"""
_APPLY_AGAIN = "UPDATE sync.applied_manifests SET applied_at = NULL WHERE adapter <> %s"
"""Several adapters may fill one canonical table, and the live views of each leave out what any of them hides."""


def privacy_fingerprint(manifest: Manifest) -> str:
    """Return a hash of which columns a manifest hides, which its own fingerprint leaves out."""
    hidden = {name: sorted(entity.hidden_columns) for name, entity in manifest.entities.items()}
    return hashlib.sha256(json.dumps(hidden).encode()).hexdigest()[:8]


def load_hidden(connection: Connection, manifest: Manifest, relations: Mapping[str, Relation]) -> HiddenColumns:
    """Return the hidden columns of each table, as they are once this manifest is applied."""
    named = _named(manifest, relations)
    found: dict[TableName, set[str]] = {}
    for adapter, schema, table, column in connection.execute(_LOAD):
        if adapter != manifest.adapter or named.get((schema, table), {}).get(column, True):
            found.setdefault((schema, table), set()).add(column)
    for table_name, columns in named.items():
        found.setdefault(table_name, set()).update(column for column, is_hidden in columns.items() if is_hidden)
    return {table_name: frozenset(columns) for table_name, columns in found.items()}


def hidden_columns(manifests: Sequence[Manifest]) -> HiddenColumns:
    """Return the columns that any of these manifests hides, by table, in a new database."""
    found: dict[TableName, set[str]] = {}
    for manifest in manifests:
        for table, columns in _named(manifest, {}).items():
            found.setdefault(table, set()).update(name for name, is_hidden in columns.items() if is_hidden)
    return {table: frozenset(columns) for table, columns in found.items()}


def hidden_of(entity: Entity, hidden: HiddenColumns) -> frozenset[str]:
    """Return the columns of its table that an entity's live view leaves out.

    Of what is sensitive as a whole, the whole view is hidden, and shows everything to the few.
    """
    table = entity.record_table
    return hidden[table.schema, table.name] if entity.sensitivity.is_granted else frozenset()


def store_hidden(connection: Connection, manifest: Manifest, relations: Mapping[str, Relation]) -> None:
    """Store which columns a manifest hides; what that changes for other adapters is done by their next sync."""
    changed: set[str] = set()
    for is_hidden in (False, True):
        rows = [
            (*table, column)
            for table, columns in _named(manifest, relations).items()
            for column, hides in columns.items()
            if hides is is_hidden
        ]
        arrays: Sequence[list[str]] = [[row[place] for row in rows] for place in range(3)]
        if is_hidden:
            answer = connection.execute(_HIDE, (manifest.adapter, *arrays))
        else:
            answer = connection.execute(_SHOW, (*arrays, manifest.adapter))
        changed.update(schema for (schema,) in answer)
    if CANONICAL_SCHEMA in changed:
        connection.execute(_APPLY_AGAIN, (manifest.adapter,))


def _named(manifest: Manifest, relations: Mapping[str, Relation]) -> Mapping[TableName, Mapping[str, bool]]:
    """Return whether each column that a manifest names is hidden; among entities that share a table, one suffices."""
    found: dict[TableName, dict[str, bool]] = {}
    for entity in manifest.entities.values():
        table, hidden = entity.record_table, entity.hidden_columns
        columns = found.setdefault((table.schema, table.name), {})
        for name in entity.column_sensitivities:
            columns[name] = columns.get(name, False) or name in hidden
        relation = relations.get(table.name)
        if not table.is_canonical and relation is not None:
            for was, now in superseded(table, physical_table(table, relation.columns)):
                columns[now.name] = columns[was.name]
    return found
