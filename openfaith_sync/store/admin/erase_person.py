"""Erase one person from the database for good, and keep them from coming back; see docs/privacy.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import (
    RECORDS,
    AdapterName,
    EntityId,
    EntityName,
    IdDeriver,
    OrgId,
    derive_entity_id,
    merges_of,
)
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.erasures import ERASED, Erasures
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.erasures.belongings import FoundRow, find_rows, load_holding_tables
from openfaith_sync.store.erasures.erasing import Erasing, redirected_ids
from openfaith_sync.store.erasures.erasures import load_erasures, make_erasures
from openfaith_sync.store.postgres.statements import Connection, fetch_one

PEOPLE = "people"
"""The canonical table of persons."""

_PEOPLE = "SELECT org_id, adapter, type, external_id, id FROM openfaith.people WHERE (id = %(person)s OR external_id = %(person)s)"  # noqa: E501
_WAITING = """
SELECT entity, external_id FROM sync.dead_letters
WHERE org_id = %s AND adapter = %s AND external_id = ANY (%s) AND resolved_at IS NULL
"""
# Each key has a row before the erasure begins, so that ending all leases leaves no first holder of a key out.
_PREPARE_LEASES = """
INSERT INTO sync.leases (org_id, adapter, entity, token, holder, released_at)
SELECT %s, %s, unnest(%s::text[]), 1, 'an erasure', now() ON CONFLICT DO NOTHING
"""
# Pages check their lease's token, so those under way end here and later ones are refused: their worker may not know of
# the erasure. The next holder does. Deliveries wait for the lock on their subscriptions.
_END_LEASES = "UPDATE sync.leases SET token = token + 1, released_at = now() WHERE org_id = %s AND adapter = %s"
_HOLD_DELIVERIES = "SELECT FROM sync.webhook_subscriptions WHERE org_id = %s AND adapter = %s ORDER BY name FOR UPDATE"
_AUDIT = """
INSERT INTO sync.erasures (org_id, adapter, subject_hash, action, requested_by, rows) VALUES (%s, %s, %s, %s, %s, %s)
RETURNING erasure_id
"""
_ALLOW = "DELETE FROM sync.erased_records WHERE org_id = %s AND subject_hash = %s RETURNING record_hash"
_DELETE_TOMBSTONES = "DELETE FROM {table} WHERE org_id = %s AND external_id = ANY (%s::text[])"
_READ_AGAIN = """
INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action)
VALUES (%s, %s, %s, 'allowed', %s, %s, 'check')
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A person of one org, as one adapter knows them."""

    org: OrgId
    adapter: AdapterName
    entity: EntityName
    entity_id: EntityId
    external_id: str | None
    """The source's id; ``None`` once they are erased and named by our id."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did."""

    subject: str
    """The keyed hash that stands for the person from now on."""
    records: int
    """How many records are kept out: the person's own, and those that belong to it."""
    rows: dict[str, int]
    """How many rows were cleared, changed or deleted, by table."""


def find_people(database: Database, manifests: Sequence[Manifest], named: str, org: OrgId | None) -> list[Person]:
    """Return the persons with this id, ours or the source's.

    Those that are only set aside, or were erased, are found by the source's id if an org is named.
    """
    entities = {(manifest.adapter, name) for manifest in manifests for name in _person_entities(manifest)}
    with database.connect_reading(org) as session:
        rows = session.execute(_PEOPLE, {"person": named}).fetchall()
        found = [
            Person(OrgId(of), AdapterName(adapter), EntityName(entity), EntityId(entity_id), _known(external_id))
            for of, adapter, entity, external_id, entity_id in rows
            if (adapter, entity) in entities
        ]
        if org is not None and not found:
            found = [
                Person(org, adapter, entity, derive_entity_id(org, adapter, entity, named), named)
                for adapter, entity in sorted(entities)
                if _is_known(session, load_erasures(session, database.keys, org, adapter), entity, named)
            ]
    return found


def list_rows(database: Database, manifest: Manifest, person: Person) -> dict[str, int]:
    """Return how many rows are the person's or belong to it, by table."""
    counts: dict[str, int] = {}
    with database.connect(person.org) as session:
        for row in _find_rows(session, manifest, person)[0]:
            name = f"{row.table.schema}.{row.table.name}"
            counts[name] = counts.get(name, 0) + 1
    return counts


def erase_person(database: Database, manifest: Manifest, person: Person, requested_by: str) -> Erased:
    """Clear every row of a person, delete what else is known of them, and have the source's records kept out.

    One transaction, which can be repeated. A sync of the org that is running loses its leases: it ends, and the next
    one resumes. The rows stay as tombstones without content, so that references to them stay right.

    Raises:
        TransientError: The database failed; if nothing is said of erasures in ``sync.erasures``, nothing was done.
    """
    with database.connect(person.org) as session:
        _prepare(session, manifest, person.org)
        with session.transaction():
            _stop_writers(session, person)
            erasures = make_erasures(session, database.keys, person.org, person.adapter)
            own = erasures.hash(person.entity_id)
            erasing = Erasing(session, manifest, erasures, erasures.subjects.get(own, own))
            rows, ids = _find_rows(session, manifest, person)
            derive = IdDeriver(person.org, person.adapter, person.entity)
            records = {(row.entity, row.external_id, row.entity_id) for row in rows}
            records |= {(person.entity, known, derive(known)) for known in ids}
            waiting = _load_waiting(session, person, [external_id for _, external_id, _ in records])
            live = {(row.entity, row.external_id) for row in rows if row.is_live} | waiting
            erasing.note(
                (entity, entity_id, (entity, external_id) in live) for entity, external_id, entity_id in records
            )
            erasing.clear_descriptions(
                load_holding_tables(session, manifest), sorted({entity_id for _, _, entity_id in records})
            )
            erasing.clear_rows(rows)
            erasing.forget(records)
            audit = ("erase", requested_by, sum(erasing.counts.values()))
            fetch_one(session, _AUDIT, (person.org, person.adapter, erasing.subject, *audit))
        _analyze(session, erasing.counts)
    return Erased(erasing.subject, len(records), erasing.counts)


def allow_person(database: Database, manifest: Manifest, person: Person, requested_by: str) -> int:
    """Allow an erased person to be synced again, and return how many records that are. The source has what was erased.

    Raises:
        UsageError: The person was not erased.
    """
    with database.connect(person.org) as session:
        _prepare(session, manifest, person.org)
        with session.transaction():
            _stop_writers(session, person)
            erasures = load_erasures(session, database.keys, person.org, person.adapter)
            subject = erasures and erasures.subjects.get(erasures.hash(person.entity_id))
            if not subject:
                raise UsageError(f"{person.entity_id} of {person.org} was not erased")
            hashes = [row[0] for row in session.execute(_ALLOW, (person.org, subject)).fetchall()]
            for table in load_holding_tables(session, manifest):
                statement = sql.SQL(_DELETE_TOMBSTONES).format(table=table.identifier)
                session.execute(statement, (person.org, [ERASED + found for found in hashes]))
            audit = (person.org, person.adapter, subject, "allow", requested_by, len(hashes))
            number = fetch_one(session, _AUDIT, audit)[0]
            if person.external_id is not None:
                event = (person.org, person.adapter, f"allowed:{number}", person.entity, person.external_id)
                session.execute(_READ_AGAIN, event)
    return len(hashes)


def _person_entities(manifest: Manifest) -> list[EntityName]:
    return [name for name, entity in manifest.entities.items() if entity.table == PEOPLE]


def _known(external_id: str) -> str | None:
    return None if external_id.startswith(ERASED) else external_id


def _is_known(session: Connection, erasures: Erasures, entity: EntityName, named: str) -> bool:
    if erasures and erasures.has(entity, named):
        return True
    waiting = session.execute(_WAITING, (erasures.org, erasures.adapter, [named])).fetchall()
    return entity in {row[0] for row in waiting}


def _load_waiting(session: Connection, person: Person, external_ids: Iterable[str]) -> set[tuple[EntityName, str]]:
    rows = session.execute(_WAITING, (person.org, person.adapter, list(external_ids))).fetchall()
    return {(EntityName(entity), external_id) for entity, external_id in rows}


def _find_rows(session: Connection, manifest: Manifest, person: Person) -> tuple[list[FoundRow], set[str]]:
    """Return the rows of a person, and the source's ids of it."""
    key = (person.org, person.adapter, person.entity)
    given = [] if person.external_id is None else [person.external_id]
    external_ids = redirected_ids(session, *key, given)
    derive = IdDeriver(*key)
    ids = {person.entity_id, *(derive(known) for known in external_ids)}
    tables = load_holding_tables(session, manifest)
    return find_rows(session, tables, person.org, person.adapter, ids), external_ids


def _prepare(session: Connection, manifest: Manifest, org: OrgId) -> None:
    merging = [merges_of(name) for name, entity in manifest.entities.items() if entity.merges is not None]
    session.execute(_PREPARE_LEASES, (org, manifest.adapter, [RECORDS, *merging, *manifest.entities]))


def _stop_writers(session: Connection, person: Person) -> None:
    for statement in (_HOLD_DELIVERIES, _END_LEASES):
        session.execute(statement, (person.org, person.adapter))


def _analyze(session: Connection, tables: Iterable[str]) -> None:
    """Gather the planner's statistics anew: they hold samples of values, also of rows that are gone."""
    with session.transaction():
        # Only a table's owner may do this, and the engine's role owns none; the login does.
        session.execute("SET LOCAL ROLE NONE")
        for table in tables:
            session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*table.split("."))))
