"""Find every row of a person: the person's own, and all that belong to it, directly or through others.

The tables come from the database's catalogue, so that none is forgotten: also one whose entity the manifest no longer
names, and one that was kept when its entity moved to a canonical table.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import sql

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import CANONICAL_SCHEMA, STORE_COLUMNS, RecordTable
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.catalogue import load_relations

_IDENTITY = frozenset({"id", "org_id", "external_id", "adapter", "type", "content_hash"})
_MERGED = "merged_into_id"
_FIND = """
SELECT type, external_id, id, deleted_at IS NULL FROM {table}
WHERE org_id = %(org)s AND adapter = %(adapter)s AND {column} = ANY (%(ids)s::text[])
"""


@dataclass(frozen=True, slots=True)
class HoldingTable:
    """A table that holds records, as it is in the database."""

    schema: str
    name: str
    columns: Mapping[str, str]
    """The type of each column."""
    owners: frozenset[str]
    """The columns that refer to what a row belongs to."""

    @property
    def identifier(self) -> sql.Identifier:
        """Its name as SQL."""
        return sql.Identifier(self.schema, self.name)

    @property
    def cleared(self) -> list[str]:
        """The columns that are emptied when a row is erased: all but those that other rows and listings need."""
        return [name for name in self.columns if name not in STORE_COLUMNS | self.owners | {"status"}]


class FoundRow(NamedTuple):
    """One row of a person."""

    table: HoldingTable
    entity: EntityName
    external_id: str
    entity_id: str
    is_live: bool


def load_holding_tables(connection: Connection, manifest: Manifest) -> list[HoldingTable]:
    """Return the tables that may hold records of an adapter."""
    return [
        HoldingTable(schema, relation.name, columns, _owners(manifest, schema, relation.name, columns))
        for schema in (CANONICAL_SCHEMA, manifest.adapter)
        for relation in load_relations(connection, schema).values()
        for columns in [{name: column.type for name, column in relation.columns.items()}]
        if relation.is_table and columns.keys() >= _IDENTITY
    ]


def find_rows(
    connection: Connection, tables: Iterable[HoldingTable], org: OrgId, adapter: AdapterName, ids: Collection[str]
) -> list[FoundRow]:
    """Return the rows with these entity ids, those merged into them, and all that belong to any of them."""
    found: dict[tuple[str, str, str, str], FoundRow] = {}
    known = set(ids)
    next_ids = set(ids)
    while next_ids:
        rows = list(_find(connection, tables, {"org": org, "adapter": adapter, "ids": sorted(next_ids)}))
        found |= {(row.table.schema, row.table.name, row.entity, row.external_id): row for row in rows}
        next_ids = {row.entity_id for row in rows} - known
        known |= next_ids
    return list(found.values())


def _find(connection: Connection, tables: Iterable[HoldingTable], parameters: dict[str, object]) -> Iterator[FoundRow]:
    for table in tables:
        for column in sorted({"id", *table.owners} | ({_MERGED} & table.columns.keys())):
            statement = sql.SQL(_FIND).format(table=table.identifier, column=sql.Identifier(column))
            for entity, *row in connection.execute(statement, parameters):
                yield FoundRow(table, EntityName(entity), *row)


def _owners(manifest: Manifest, schema: str, name: str, columns: Mapping[str, str]) -> frozenset[str]:
    if schema == CANONICAL_SCHEMA and name in CANONICAL_TABLES:
        table: RecordTable | None = CANONICAL_TABLES[name]
    else:
        tables = (entity.record_table for entity in manifest.entities.values())
        table = next((found for found in tables if (found.schema, found.name) == (schema, name)), None)
    if table is None:
        # Nobody says any more what its references mean: whatever refers to an erased record goes with it.
        return frozenset(column for column, kind in columns.items() if _may_refer(column, kind))
    return frozenset(column.name for column in table.own if column.is_owner and column.name in columns)


def _may_refer(column: str, kind: str) -> bool:
    return column.endswith("_id") and kind == "text" and column not in STORE_COLUMNS
