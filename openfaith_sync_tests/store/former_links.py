"""A database of revision 0013, in which a link beside each row held the source's id, and what was in it.

Rows, links and redirects are as the code of that revision wrote them: a link of a removed record leads to the
surviving record, its redirect names the removed record's own row, and a record found gone before it was
ever read has a link and no row.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey, derive_entity_id

Connection = psycopg.Connection[tuple[Any, ...]]

GRACE, HOPE = OrgId("grace"), OrgId("hope")
PCO, BREEZE = AdapterName("pco"), AdapterName("breeze")
PERSON, EMAIL, HOUSEHOLD = EntityName("person"), EntityName("email"), EntityName("household")
MEMBERSHIP, GROUP, CAMPUS = EntityName("household_membership"), EntityName("group"), EntityName("campus")
ODD_IDS = [
    *("007", "7.0", " ", "a b", "O'Brien", 'say "hi"', "100%", "%s", "{id}", "\\", "person_7", "ID", "id", "ıİß-Ω"),
    *("Ünï-коде-🌐", "é", "e\u0301", "x" * 1500, "unreadable:not really", "null", "-1", "1e3", "line\nfeed", "\t"),
]
NEVER_READ = ["gone before it was read", "gone too"]

_SEPARATE = """
DO $$
DECLARE
    engine text := 'openfaith_engine_' || left(md5(session_user), 12);
    kept regclass;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = engine) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', engine);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA openfaith, sync TO %I', engine);
    FOR kept IN SELECT attrelid FROM pg_attribute WHERE attname = 'org_id' AND attrelid IN (
        SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relnamespace IN ('openfaith'::regnamespace, 'sync'::regnamespace))
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', kept, engine);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', kept);
        EXECUTE format($q$CREATE POLICY one_org ON %s USING (org_id = current_setting('openfaith.org', true))$q$, kept);
        EXECUTE format($q$CREATE POLICY fleet ON %s TO CURRENT_USER
          USING ((SELECT COALESCE(current_setting('openfaith.org', true), '') = ''))$q$, kept);
    END LOOP;
END $$
"""
_GIVEN = """
CREATE TEMPORARY TABLE given (n integer, external_id text, entity_id text, owner_id text, other_id text)
"""
_GIVE = """
INSERT INTO given SELECT given.n, given.external_id, given.entity_id, given.owner_id, given.other_id
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
  AS given (external_id, entity_id, owner_id, other_id, n)
"""
# A third of all rows was never written to again, and every link at least when its row was.
_LINK = """
INSERT INTO sync.external_links
  (org_id, adapter, entity, external_id, entity_id, content_hash, source_version, first_seen_at, updated_at)
SELECT %(org)s, %(adapter)s, %(entity)s, external_id, entity_id, decode(md5(entity_id), 'hex'),
       CASE WHEN %(is_versioned)s THEN timestamptz '2020-01-01 00:00Z' + n * interval '61 seconds' END,
       timestamptz '2024-01-01 00:00Z', timestamptz '2024-01-01 00:00Z' + (n %% 3) * interval '1 day'
FROM given
"""
_ROW = """
INSERT INTO openfaith."{table}" (org_id, id, type, custom_fields, status, created_at, updated_at, synced_at, {columns})
SELECT %(org)s, entity_id, %(entity)s,
       CASE n %% 4 WHEN 0 THEN '{{}}' ELSE jsonb_build_object(%(adapter)s || '_number', n, %(adapter)s || '_note',
                                                          E'–\\n"' || external_id, 'nested', jsonb_build_array(n, NULL))
       END,
       CASE n %% 5 WHEN 0 THEN 'inactive' ELSE 'active' END, timestamptz '2010-01-01 00:00Z' + n * interval '1 hour',
       timestamptz '2020-01-01 00:00Z' + n * interval '61 seconds',
       timestamptz '2024-01-01 00:00Z' + least(n %% 3, 1) * interval '1 day', {values}
FROM given
"""
_COLUMNS = {
    "people": {
        "first_name": "'Anna ' || external_id", "last_name": "CASE n % 7 WHEN 0 THEN NULL ELSE 'Ångström ' || n END",
        "name": "'Anna ' || n", "gender": "'female'", "birthdate": "date '1940-01-01' + n",
        "avatar": "repeat('https://a.example.org/', n % 9)", "primary_campus_id": "owner_id",
    },
    "emails": {
        "person_id": "owner_id", "address": "n || '@example.org'", "location": "'Home'", '"primary"': "n % 2 = 0",
        "blocked": "NULL",
    },
    "households": {"name": "'The ' || n || 's'", "member_count": "n % 9", "primary_contact_id": "owner_id"},
    "household_memberships": {
        "household_id": "owner_id", "person_id": "other_id", "role": "'member'", "pending": "n % 2 = 1",
    },
    "groups": {"name": "'Group ' || n", "memberships_count": "n", "group_type_id": "owner_id"},
    "campuses": {"name": "'Campus ' || n", "latitude": "n / 7.0::double precision"},
}  # fmt: skip
_TABLES = {
    PERSON: "people", EMAIL: "emails", HOUSEHOLD: "households", MEMBERSHIP: "household_memberships",
    GROUP: "groups", CAMPUS: "campuses",
}  # fmt: skip
_WITHOUT_VERSION = (MEMBERSHIP, GROUP)
_DELETE = """
WITH gone AS (
  UPDATE sync.external_links SET deleted_at = %(at)s, updated_at = %(at)s, is_loss = %(is_loss)s
  WHERE (org_id, adapter, entity) = (%(org)s, %(adapter)s, %(entity)s) AND external_id = ANY (%(ids)s)
  RETURNING entity_id
)
UPDATE openfaith."{table}" SET deleted_at = %(at)s, synced_at = %(at)s
WHERE org_id = %(org)s AND id IN (SELECT entity_id FROM gone)
"""
_BARE = """
INSERT INTO sync.external_links (org_id, adapter, entity, external_id, entity_id, content_hash, deleted_at, is_loss)
SELECT %s, %s, %s, gone.*, '', now(), false FROM unnest(%s::text[], %s::text[]) AS gone (external_id, entity_id)
"""
_REDIRECT = """
INSERT INTO sync.redirects (org_id, adapter, entity, external_id, entity_id, kept_id, merged_at)
VALUES (%(org)s, %(adapter)s, %(entity)s, %(removed)s, %(own_id)s, %(kept)s, '2025-05-05 05:05Z')
"""
_MERGE = """
INSERT INTO sync.external_links AS link
  (org_id, adapter, entity, external_id, entity_id, content_hash, deleted_at, merged_into)
VALUES (%(org)s, %(adapter)s, %(entity)s, %(removed)s, %(end_id)s, '', '2025-06-06 06:06Z', %(end)s)
ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
SET entity_id = EXCLUDED.entity_id, merged_into = EXCLUDED.merged_into,
    deleted_at = COALESCE(link.deleted_at, EXCLUDED.deleted_at), updated_at = '2025-06-06 06:06Z'
"""
_BURY = """
UPDATE openfaith.people
SET deleted_at = COALESCE(deleted_at, '2025-06-06 06:06Z'), merged_into_id = %(end_id)s, synced_at = '2025-06-06 06:06Z'
WHERE org_id = %(org)s AND id = %(own_id)s
"""
_FOLLOW = "UPDATE openfaith.emails SET person_id = %(end_id)s WHERE org_id = %(org)s AND person_id = %(own_id)s"


@dataclass(frozen=True, slots=True)
class _Church:
    """One org's records of one adapter."""

    connection: Connection
    org: OrgId
    adapter: AdapterName

    def ids_of(self, entity: EntityName, external_ids: Sequence[str]) -> list[str]:
        return [derive_entity_id(self.org, self.adapter, entity, one) for one in external_ids]

    def hold(
        self, entity: EntityName, ids: Sequence[str], owners: Sequence[str | None], others: Sequence[str] = ()
    ) -> None:
        """Insert rows and links; references are the entity ids of ``owners`` and ``others``, in turn."""
        count, table = len(ids), _TABLES[entity]
        lists = (ids, self.ids_of(entity, ids), _in_turn(owners, count), _in_turn(others or owners, count))
        parameters = self._of(entity) | {"is_versioned": entity not in _WITHOUT_VERSION}
        columns, values = zip(*_COLUMNS[table].items(), strict=True)
        row = _ROW.format(
            table=table, columns=", ".join(columns), values=", ".join(value.replace("%", "%%") for value in values)
        )
        self.connection.execute("TRUNCATE given")
        self.connection.execute(_GIVE, [list(one) for one in lists])
        self.connection.execute(_LINK, parameters)
        self.connection.execute(row.encode(), parameters)

    def delete(self, entity: EntityName, ids: Sequence[str], *, is_loss: bool) -> None:
        parameters = self._of(entity) | {"ids": list(ids), "is_loss": is_loss, "at": "2025-03-03 03:03Z"}
        self.connection.execute(_DELETE.format(table=_TABLES[entity]).encode(), parameters)

    def delete_unread(self, entity: EntityName, ids: Sequence[str]) -> None:
        """Tombstone records that were never held: each is a link without a row."""
        self.connection.execute(_BARE, (self.org, self.adapter, entity, list(ids), self.ids_of(entity, ids)))

    def redirect(self, removed: str, kept: str, end: str | None) -> None:
        """Note a merge, and apply it unless it has no ``end``, as in a cycle."""
        own_id, end_id = self.ids_of(PERSON, (removed, end or ""))
        parameters = self._of(PERSON) | {"removed": removed, "kept": kept, "end": end}
        for statement in (_REDIRECT, _MERGE, _BURY, _FOLLOW) if end else (_REDIRECT,):
            self.connection.execute(statement.encode(), parameters | {"own_id": own_id, "end_id": end_id})

    def _of(self, entity: EntityName) -> dict[str, Any]:
        return {"org": self.org, "adapter": self.adapter, "entity": entity}


def fill(connection: Connection, people: int) -> None:
    """Fill a database of revision 0013 with so many people in one org, a tenth of them with equal ids in another."""
    connection.execute(_SEPARATE)
    connection.execute(_GIVEN)
    numbers = [str(number) for number in range(1, people + 1)]
    for org, ids in ((GRACE, [*numbers, *ODD_IDS]), (HOPE, numbers[: people // 10])):
        church = _Church(connection, org, PCO)
        campuses = church.ids_of(CAMPUS, ("1", "2"))
        persons = church.ids_of(PERSON, ids)
        families = ids[: len(ids) // 3]
        church.hold(CAMPUS, ("1", "2"), (None,))
        church.hold(PERSON, ids, (*campuses, None))
        church.hold(EMAIL, ids, persons)
        church.hold(HOUSEHOLD, families, persons)
        church.hold(MEMBERSHIP, ids, church.ids_of(HOUSEHOLD, families), persons)
        church.hold(GROUP, ids[:3], (None,))
        church.delete(PERSON, ids[40:60], is_loss=True)
        church.delete(EMAIL, ids[45:50], is_loss=False)
        church.delete(MEMBERSHIP, ids[45:50], is_loss=True)
        church.delete_unread(PERSON, NEVER_READ)
    _Church(connection, HOPE, BREEZE).hold(PERSON, numbers[: people // 10], (None,))
    # No pass of this org walked events, and none of any org walked forms.
    _Church(connection, HOPE, PCO).delete_unread(EntityName("event"), NEVER_READ)
    _merge(_Church(connection, GRACE, PCO))
    _keep_books(_Church(connection, GRACE, PCO))
    connection.execute("ANALYZE")


def _merge(church: _Church) -> None:
    # A chain, whose end is the same for both; a fan; a cycle, which has none; records on one side or none that were
    # never held; and a surviving record that was deleted later.
    church.redirect("3", "2", "1")
    church.redirect("2", "1", "1")
    church.redirect("5", "4", "4")
    church.redirect("O'Brien", "4", "4")
    church.redirect("8", "9", None)
    church.redirect("9", "8", None)
    church.redirect("never held", "4", "4")
    church.redirect("10", "kept but never held", "kept but never held")
    church.redirect("neither held", "kept but never held", "kept but never held")
    church.redirect("11", "12", "12")
    church.delete(PERSON, ("12",), is_loss=True)


def _keep_books(church: _Church) -> None:
    """Leave syncs in the middle of everything."""
    run = church.connection.execute
    key = SyncKey(church.org, church.adapter, PERSON)
    for statement in _BOOKS.split(";"):
        run(statement.encode())
    version = hashlib.blake2b(str(key).encode(), digest_size=16).digest()
    run("UPDATE sync.parent_listings SET parent_hash = %s", (version,))


# A full walk of people that is open, with riders; a reconciliation of e-mails that has listed some; complete passes;
# and what waits for a person or for the next pass.
_BOOKS = """
INSERT INTO sync.orgs (org_id, deletion_count, deletion_share) VALUES ('grace', 7, 0.07), ('hope', 10, 0.1);
INSERT INTO sync.connections (org_id, adapter, base_url, auth_method, secret)
VALUES ('grace', 'pco', 'https://api.example.org', 'basic', 'sealed'), ('hope', 'pco', 'https://x', 'basic', 'sealed');
INSERT INTO sync.accounts (org_id, adapter, account_id) VALUES ('grace', 'pco', '400001');
INSERT INTO sync.passes (org_id, adapter, entity, canonical_table, mode, trigger, status, manifest_version, created,
                         pages, watermark_to, ended_at)
SELECT org, 'pco', entity, table_name, 'full', 'cli', 'complete', 'm1', 9, 3, '2024-01-01Z', '2024-01-02Z'
FROM unnest(ARRAY['grace', 'hope']) org,
     (VALUES ('person', 'people'), ('email', 'emails'), ('campus', 'campuses')) AS walked (entity, table_name);
INSERT INTO sync.passes (org_id, adapter, entity, canonical_table, mode, trigger, manifest_version, place, pages,
                         newest)
VALUES ('grace', 'pco', 'person', 'people', 'full', 'dagster', 'm1',
        '{"slices": [{"offset": 300, "anchor": "O''Brien", "done": false}], "resumed_at": null}', 3, '2022-02-02Z');
INSERT INTO sync.passes (org_id, adapter, entity, canonical_table, parent_pass_id, mode, trigger, manifest_version)
SELECT 'grace', 'pco', rider.entity, rider.table_name, max(pass_id), 'sideload', 'dagster', 'm1'
FROM sync.passes, (VALUES ('email', 'emails'), ('address', NULL)) AS rider (entity, table_name)
WHERE org_id = 'grace' GROUP BY rider.entity, rider.table_name;
INSERT INTO sync.passes (org_id, adapter, entity, canonical_table, mode, trigger, manifest_version, report)
VALUES ('grace', 'pco', 'household_membership', 'household_memberships', 'reconciliation', 'cli', 'm1',
        '{"listed": 2}');
INSERT INTO sync.listed_ids (org_id, pass_id, external_id, listed_version, held_hash, held_version)
SELECT 'grace', (SELECT max(pass_id) FROM sync.passes), external_id, source_version, content_hash, source_version
FROM sync.external_links WHERE org_id = 'grace' AND entity = 'household_membership' ORDER BY external_id LIMIT 50;
INSERT INTO sync.parent_listings (org_id, adapter, entity, parent_id, listed, pass_id)
VALUES ('grace', 'pco', 'household_membership', '1', '{1,O''Brien,x}', 1);
INSERT INTO sync.checkpoints (org_id, adapter, entity, watermark, completed_at, completed_pass_id, manifest_version)
SELECT org_id, adapter, entity, watermark_to, ended_at, pass_id, 'm1' FROM sync.passes WHERE status = 'complete';
INSERT INTO sync.leases (org_id, adapter, entity, token, holder)
VALUES ('grace', 'pco', 'person', 41, 'a worker'), ('grace', 'pco', '$person_merges', 3, 'a worker');
INSERT INTO sync.dead_letters (org_id, adapter, entity, external_id, raw, field, value_type, reason, manifest_version,
                               resolved_at)
SELECT 'grace', 'pco', 'person', bad.id, jsonb_build_object('id', bad.id), 'birthdate', 'string', 'no date', 'm1',
       bad.at
FROM (VALUES ('1', NULL), ('set aside only', NULL), ('unreadable:2f', NULL), ('6', timestamptz '2025-01-01Z'))
  AS bad (id, at);
INSERT INTO sync.deletion_candidates (org_id, adapter, entity, external_id, parent_id, first_pass_id, last_pass_id,
                                      answer)
VALUES ('grace', 'pco', 'person', '20', NULL, 1, 1, 'alive'),
       ('grace', 'pco', 'household_membership', '21', '1', 1, 1, NULL);
INSERT INTO sync.holds (org_id, adapter, entity, kind, pass_id, missing, live, reason, status, approved_up_to)
VALUES ('grace', 'pco', 'person', 'deletions', 1, 99, 200, 'many', 'open', NULL),
       ('grace', 'pco', 'email', 'deletions', 1, 98, 200, 'many', 'approved', 98),
       ('grace', 'pco', 'campus', 'older', 1, 97, 200, 'many', 'settled', NULL);
INSERT INTO sync.older_versions (org_id, adapter, entity, external_id, version, held_version, first_pass_id)
VALUES ('grace', 'pco', 'person', '13', '2019-01-01Z', '2020-01-01 00:13Z', 1);
INSERT INTO sync.superseded_records (org_id, adapter, entity, external_id, entity_id, version, taken_version, pass_id,
                                     record)
SELECT 'grace', 'pco', 'email', '14', id, '2020-02-02Z', '2019-02-02Z', 1, to_jsonb(held)
FROM openfaith.emails held WHERE org_id = 'grace' AND address = '14@example.org';
INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action)
VALUES ('grace', 'pco', 'e1', 'person.updated', 'person', 'O''Brien', 'updated')
"""


def _in_turn(values: Sequence[str | None], count: int) -> list[str | None]:
    return [values[place % len(values)] for place in range(count)]
