"""Which table holds the records of each entity.

Statements about one entity are written for its table. The registry ``sync.record_tables`` names it, for every
adapter, so that what knows only a sync key, such as a command about holds, needs no manifest.
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import AdapterName, EntityName, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.store.postgres.statements import Connection

_LOAD = "SELECT adapter, entity, table_schema, table_name, has_merges FROM sync.record_tables"
_REGISTER = """
INSERT INTO sync.record_tables AS known (adapter, entity, table_schema, table_name, has_merges)
SELECT %(adapter)s, given.*
FROM unnest(%(entities)s::text[], %(schemas)s::text[], %(names)s::text[], %(merges)s::boolean[])
  AS given (entity, table_schema, table_name, has_merges)
ON CONFLICT (adapter, entity) DO UPDATE
SET table_schema = EXCLUDED.table_schema, table_name = EXCLUDED.table_name, has_merges = EXCLUDED.has_merges
WHERE (known.table_schema, known.table_name, known.has_merges)
   <> (EXCLUDED.table_schema, EXCLUDED.table_name, EXCLUDED.has_merges)
"""


class EntityTable(NamedTuple):
    """The table that holds an entity's records."""

    schema: str
    name: str
    has_merges: bool

    @property
    def quoted(self) -> str:
        """Its name as SQL: schema and table, quoted."""
        return f'"{self.schema}"."{self.name}"'


EntityTables = Mapping[tuple[AdapterName, EntityName], EntityTable]

_KNOWN: WeakKeyDictionary[Connection, EntityTables] = WeakKeyDictionary()


def load_tables(connection: Connection) -> EntityTables:
    """Return the table of every registered entity."""
    found = {
        (AdapterName(adapter), EntityName(entity)): EntityTable(schema, name, has_merges)
        for adapter, entity, schema, name, has_merges in connection.execute(_LOAD)
    }
    _KNOWN[connection] = found
    return found


def load_adapters(connection: Connection) -> list[str]:
    """Return the adapters whose entities have tables."""
    return [name for (name,) in connection.execute("SELECT DISTINCT adapter FROM sync.record_tables ORDER BY 1")]


def known_tables(connection: Connection) -> EntityTables:
    """Return the table of every registered entity, read once per connection."""
    return _KNOWN.get(connection) or load_tables(connection)


def table_of(connection: Connection, key: SyncKey, entity: EntityName | None = None) -> EntityTable:
    """Return the table of a key's entity, or of another ``entity`` of its adapter; read once per connection.

    Raises:
        DefinitionError: The entity has no table in this database.
    """
    return find_table(connection, key, entity) or entity_table(load_tables(connection), key, entity)


def find_table(connection: Connection, key: SyncKey, entity: EntityName | None = None) -> EntityTable | None:
    """Return the same; ``None`` for what has no table, such as an entity that only webhooks name."""
    wanted = (key.adapter, key.entity if entity is None else entity)
    return known_tables(connection).get(wanted) or load_tables(connection).get(wanted)


def entity_table(tables: EntityTables, key: SyncKey, entity: EntityName | None = None) -> EntityTable:
    """Return the table of a key's entity, or of another ``entity`` of its adapter, among those that are known.

    Raises:
        DefinitionError: The entity has no table in this database.
    """
    name = key.entity if entity is None else entity
    table = tables.get((key.adapter, name))
    if table is None:
        raise DefinitionError(
            f"{key.adapter}/{name} has no table in this database; create it with: openfaith-sync manifest apply"
        )
    return table


# Where most orgs are small, the planner would rather read all rows of an org by another index than look up these ids,
# which for a large org takes ten times as long. `OFFSET 0` keeps it from that.
_THESE = """(
  SELECT own.* FROM unnest(%(ids)s::text[]) AS given (external_id)
  CROSS JOIN LATERAL (
    SELECT * FROM {table} one
    WHERE one.org_id = %(org)s AND one.adapter = %(adapter)s AND one.type = %(entity)s
      AND one.external_id = given.external_id OFFSET 0) own)"""


@cache
def on_table(query: str, table: EntityTable | RecordTable, parents: EntityTable | RecordTable | None = None) -> bytes:
    """Return a statement about one entity's records.

    ``{table}`` becomes its table, ``{these}`` its rows of the ids ``%(ids)s``, and ``{parents}`` its parents' table.
    Where records can be merged, ``{not_merged}`` leaves them out of ``held``, ``{or_merged}`` adds them, and
    ``{parent_not_merged}`` leaves them out of ``parent``.
    """
    query = query.replace("{these}", _THESE)
    query = query.replace("{not_merged}", "AND held.merged_into_id IS NULL" if table.has_merges else "")
    query = query.replace("{or_merged}", "OR held.merged_into_id IS NOT NULL" if table.has_merges else "")
    if parents is not None:
        query = query.replace("{parents}", parents.quoted)
        query = query.replace("{parent_not_merged}", "AND parent.merged_into_id IS NULL" if parents.has_merges else "")
    return query.replace("{table}", table.quoted).encode()


def are_registered(connection: Connection, manifest: Manifest) -> bool:
    """Return whether the registry names the table of each of a manifest's entities."""
    known = load_tables(connection)
    tables = {(manifest.adapter, name): entity.record_table for name, entity in manifest.entities.items()}
    return all(
        key in known and known[key] == (table.schema, table.name, table.has_merges) for key, table in tables.items()
    )


def register_tables(connection: Connection, manifest: Manifest) -> None:
    """Register the tables of a manifest's entities; unchanged ones cost one statement and no write."""
    tables = {name: entity.record_table for name, entity in manifest.entities.items()}
    parameters = {
        "adapter": manifest.adapter,
        "entities": list(tables),
        "schemas": [table.schema for table in tables.values()],
        "names": [table.name for table in tables.values()],
        "merges": [table.has_merges for table in tables.values()],
    }
    connection.execute(_REGISTER, parameters)
