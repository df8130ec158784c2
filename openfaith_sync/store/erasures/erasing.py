"""Clear the rows of erased records, and delete what else is known of them. Called within one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.ownership import build_described
from openfaith_sync.domain.passes.erasures import ERASED, WITHHELD, Erasures, hash_without_description
from openfaith_sync.domain.records.record import Described
from openfaith_sync.domain.webhooks.delivery import UNREADABLE
from openfaith_sync.store.erasures.belongings import FoundRow, HoldingTable
from openfaith_sync.store.postgres.statements import Connection

# An archive of raw records joins here: a table of the schema `sync` with the columns org_id, adapter, entity and
# external_id is found by itself; files need a step of their own in `store/admin/erase_person.py`.
_TABLES_BY_RECORD = """
SELECT held.relname FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE room.nspname = 'sync' AND held.relkind IN ('r', 'p') AND 4 = (
  SELECT count(*) FROM pg_attribute own
  WHERE own.attrelid = held.oid AND own.attname IN ('org_id', 'adapter', 'entity', 'external_id'))
ORDER BY 1
"""
_DELETE_BY_RECORD = """
DELETE FROM {table} held USING unnest(%(entities)s::text[], %(ids)s::text[]) AS gone (entity, external_id)
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.entity = gone.entity
  AND held.external_id = gone.external_id
"""
_NAMES_ONE = """EXISTS (
  SELECT FROM jsonb_path_query({column}, 'strict $.**') AS found (value)
  WHERE jsonb_typeof(value) IN ('string', 'number') AND value #>> '{{}}' = ANY ({names}))"""
_OF_ADAPTER = "org_id = %(org)s AND adapter = %(adapter)s"

# What the source sent names records by its ids, our own rows by ours.
JSON_WITH_RECORDS: Mapping[tuple[str, str], tuple[LiteralString, LiteralString]] = {
    ("dead_letters", "raw"): (
        "UPDATE sync.dead_letters SET raw = %(withheld)s, is_whole = false",
        "%(ids)s::text[] || %(own)s::text[]",
    ),
    ("webhook_events", "payload"): ("UPDATE sync.webhook_events SET payload = NULL", "%(ids)s::text[]"),
    ("superseded_records", "record"): ("DELETE FROM sync.superseded_records", "%(own)s::text[]"),
}
"""What happens to the rows of other records whose JSON names an erased one, by table of schema ``sync`` and column."""

JSON_WITHOUT_RECORDS = frozenset({("passes", "place"), ("passes", "report"), ("budgets", "budget")})
"""The other columns of JSON in schema ``sync``: places in listings, figures, limits."""

# What could not be read as events may be about anybody.
_CLEAR_UNREADABLE = f"""
UPDATE sync.webhook_events SET payload = payload - 'content'
WHERE {_OF_ADAPTER} AND entity = %(unreadable)s AND payload ? 'content'
"""  # noqa: S608  our own constants, here and below
_RENAME_LISTED = """
UPDATE sync.listed_ids held SET external_id = gone.new
FROM sync.passes walked,
     unnest(%(entities)s::text[], %(ids)s::text[], %(new)s::text[]) AS gone (entity, external_id, new)
WHERE held.org_id = %(org)s AND walked.org_id = %(org)s AND walked.pass_id = held.pass_id
  AND walked.adapter = %(adapter)s AND walked.entity = gone.entity AND held.external_id = gone.external_id
"""
_RENAME_IN_LISTS = f"""
UPDATE sync.parent_listings held SET listed = ARRAY(
  SELECT COALESCE(gone.new, was.external_id) FROM unnest(held.listed) AS was (external_id)
  LEFT JOIN unnest(%(ids)s::text[], %(new)s::text[]) AS gone (external_id, new) USING (external_id))
WHERE {_OF_ADAPTER} AND entity = %(entity)s AND listed && %(ids)s::text[]
"""  # noqa: S608
_DELETE_LISTS = f"DELETE FROM sync.parent_listings WHERE {_OF_ADAPTER} AND entity = ANY (%(nested)s::text[]) AND parent_id = ANY (%(ids)s::text[])"  # noqa: S608, E501
_CLEAR = """
UPDATE {table} held
SET external_id = gone.new, {cleared}, status = DEFAULT, tags = DEFAULT, custom_fields = DEFAULT, content_hash = '',
    source_version = NULL, deleted_at = COALESCE(held.deleted_at, now()), is_loss = false, synced_at = now()
FROM unnest(%(ids)s::text[], %(new)s::text[]) AS gone (external_id, new)
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
  AND held.external_id = gone.external_id
"""
_DESCRIBING = """
SELECT external_id, content_hash FROM {table}
WHERE org_id = %(org)s AND adapter = %(adapter)s AND type = %(entity)s AND {reference} = ANY (%(targets)s::text[])
  AND NOT starts_with(external_id, %(erased)s) AND (custom_fields ?| %(keys)s::text[] {or_columns})
ORDER BY external_id FOR UPDATE
"""
_UNDESCRIBE = """
UPDATE {table} held
SET custom_fields = custom_fields - %(keys)s::text[], content_hash = given.new, synced_at = now() {columns}
FROM unnest(%(ids)s::text[], %(hashes)s::bytea[]) AS given (external_id, new)
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
  AND held.external_id = given.external_id
"""
_NOTE = """
INSERT INTO sync.erased_records AS known (org_id, adapter, entity, record_hash, subject_hash, is_listed)
SELECT %(org)s, %(adapter)s, given.entity, given.record_hash, %(subject)s, bool_or(given.is_listed)
FROM unnest(%(entities)s::text[], %(hashes)s::text[], %(listed)s::boolean[]) AS given (entity, record_hash, is_listed)
GROUP BY given.entity, given.record_hash ORDER BY given.record_hash
ON CONFLICT (org_id, record_hash) DO UPDATE
SET subject_hash = EXCLUDED.subject_hash, is_listed = known.is_listed OR EXCLUDED.is_listed
"""


@dataclass(slots=True)
class Erasing:
    """One erasure under way."""

    connection: Connection
    manifest: Manifest
    erasures: Erasures
    subject: str
    """The person's hash."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many rows were cleared, changed or deleted, by table."""

    @property
    def _org(self) -> dict[str, Any]:
        return {"org": self.erasures.org, "adapter": self.erasures.adapter}

    def clear_rows(self, rows: Sequence[FoundRow]) -> None:
        """Empty the rows, as tombstones under their hashes: what refers to them stays right."""
        groups: dict[tuple[str, str, EntityName], list[FoundRow]] = {}
        for row in rows:
            groups.setdefault((row.table.schema, row.table.name, row.entity), []).append(row)
        for (_, _, entity), found in sorted(groups.items(), key=lambda group: group[0]):
            found.sort(key=lambda row: row.external_id)
            table = found[0].table
            cleared = sql.SQL(", ").join(sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in table.cleared)
            statement = sql.SQL(_CLEAR).format(table=table.identifier, cleared=cleared)
            renamed = {"ids": [row.external_id for row in found], "new": [self._new_id(row.entity_id) for row in found]}
            self._run(f"{table.schema}.{table.name}", statement, {"entity": entity, **renamed})

    def note(self, rows: Iterable[tuple[EntityName, str, bool]]) -> None:
        """Keep these records out from now on: entity, entity id, and whether the source still has it."""
        given = [(entity, self.erasures.hash(entity_id), is_listed) for entity, entity_id, is_listed in rows]
        entities, hashes, listed = map(list, zip(*given, strict=True))
        parameters = {"subject": self.subject, "entities": entities, "hashes": hashes, "listed": listed}
        self.connection.execute(_NOTE, self._org | parameters)

    def forget(self, records: Iterable[tuple[EntityName, str, str]]) -> None:
        """Delete what the bookkeeping holds of these records: entity, external id and entity id."""
        known = sorted(set(records))
        ids = {
            "entities": [entity for entity, _, _ in known],
            "ids": [external_id for _, external_id, _ in known],
            "new": [self._new_id(entity_id) for _, _, entity_id in known],
        }
        named = {"ids": ids["ids"], "own": [entity_id for _, _, entity_id in known], "withheld": Jsonb(WITHHELD)}
        for (name,) in self.connection.execute(_TABLES_BY_RECORD).fetchall():
            statement = sql.SQL(_DELETE_BY_RECORD).format(table=sql.Identifier("sync", name))
            self._run(f"sync.{name}", statement, ids)
        for (table, column), (change, names) in JSON_WITH_RECORDS.items():
            names_one = sql.SQL(_NAMES_ONE).format(column=sql.Identifier(column), names=sql.SQL(names))
            statement = sql.SQL("{} WHERE {} AND {}").format(sql.SQL(change), sql.SQL(_OF_ADAPTER), names_one)
            self._run(f"sync.{table}", statement, named)
        self._run("sync.webhook_events", sql.SQL(_CLEAR_UNREADABLE), {"unreadable": UNREADABLE})
        self._run("sync.listed_ids", sql.SQL(_RENAME_LISTED), ids)
        for entity in sorted({entity for entity, _, _ in known}):
            of_entity = [(external_id, self._new_id(known_as)) for of, external_id, known_as in known if of == entity]
            nested = [name for name, part in self.manifest.entities.items() if part.parent == entity]
            renamed = {"ids": [old for old, _ in of_entity], "new": [new for _, new in of_entity]}
            self._run("sync.parent_listings", sql.SQL(_RENAME_IN_LISTS), {"entity": entity, **renamed})
            self._run("sync.parent_listings", sql.SQL(_DELETE_LISTS), {"nested": nested, **renamed})

    def clear_descriptions(self, tables: Iterable[HoldingTable], targets: Sequence[str]) -> None:
        """Empty what other records tell of these ones, such as the name of a household's primary contact."""
        by_name = {(table.schema, table.name): table for table in tables}
        for name, entity in self.manifest.entities.items():
            record_table = entity.record_table
            table = by_name.get((record_table.schema, record_table.name))
            for part in build_described(entity, f"{self.manifest.adapter}_") if table else ():
                names = [column.name for column in record_table.columns]
                self._clear_described(name, table, names, part, targets)

    def _clear_described(
        self,
        entity: EntityName,
        table: HoldingTable | None,
        names: Sequence[str],
        part: Described,
        targets: Sequence[str],
    ) -> None:
        assert table is not None
        columns = [sql.Identifier(names[place]) for place in part.columns]
        filled = sql.SQL("").join(sql.SQL("OR {} IS NOT NULL").format(column) for column in columns)
        reference = sql.Identifier(names[part.place])
        find = sql.SQL(_DESCRIBING).format(table=table.identifier, reference=reference, or_columns=filled)
        common = {"entity": entity, "targets": list(targets), "keys": list(part.custom_fields), "erased": ERASED}
        rows = self.connection.execute(find, self._org | common).fetchall()
        emptied = sql.SQL("").join(sql.SQL(", {} = NULL").format(column) for column in columns)
        clear = sql.SQL(_UNDESCRIBE).format(table=table.identifier, columns=emptied)
        # A tombstone's content has no hash.
        hashes = [hash_without_description(bytes(found), part) if found else b"" for _, found in rows]
        parameters = {"ids": [external_id for external_id, _ in rows], "hashes": hashes}
        self._run(f"{table.schema}.{table.name}", clear, common | parameters)

    def _new_id(self, entity_id: str) -> str:
        return ERASED + self.erasures.hash(entity_id)

    def _run(self, table: str, statement: sql.SQL | sql.Composed, parameters: dict[str, Any]) -> None:
        changed = self.connection.execute(statement, self._org | parameters).rowcount
        if changed:
            self.counts[table] = self.counts.get(table, 0) + changed


def redirected_ids(
    connection: Connection, org: OrgId, adapter: AdapterName, entity: EntityName, ids: Iterable[str]
) -> set[str]:
    """Return the source's ids of a person: the given ones, and all that merges tie to them."""
    rows = connection.execute(_REDIRECTED, {"org": org, "adapter": adapter, "entity": entity, "ids": list(ids)})
    return {row[0] for row in rows}


_REDIRECTED = """
WITH RECURSIVE known (external_id) AS (
  SELECT given.external_id COLLATE "C" FROM unnest(%(ids)s::text[]) AS given (external_id)
  UNION
  SELECT tied.external_id FROM known
  JOIN sync.redirects led ON led.org_id = %(org)s AND led.adapter = %(adapter)s AND led.entity = %(entity)s
    AND known.external_id IN (led.external_id, led.kept_id, led.survivor_id)
  CROSS JOIN LATERAL (VALUES (led.external_id), (led.kept_id), (led.survivor_id)) AS tied (external_id)
  WHERE tied.external_id IS NOT NULL
)
SELECT external_id FROM known
"""
