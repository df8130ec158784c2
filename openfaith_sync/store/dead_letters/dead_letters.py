"""Dead letters as people see them: grouped by reason, and one with its raw record."""

from typing import Any

from psycopg.rows import dict_row

from openfaith_sync.domain.dead_letters.dead_letter import DeadLetter, DeadLetterGroup, Origin
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId, SyncKey
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.dead_letters.waiting_letters import MATCHES_REASON

EXAMPLES = 3
"""Ids of dead letters that are named with each reason."""

_GROUPS = f"""
SELECT letter.org_id, letter.adapter, letter.entity, letter.field, letter.value_type, letter.reason, count(*),
       count(*) FILTER (WHERE letter.is_whole), min(letter.first_seen_at), max(letter.last_seen_at),
       (array_agg(letter.dead_letter_id ORDER BY letter.last_seen_at DESC, letter.dead_letter_id DESC))[:{EXAMPLES}]
FROM sync.dead_letters letter
WHERE letter.resolved_at IS NULL AND (%(org)s::text IS NULL OR letter.org_id = %(org)s)
  AND (%(adapter)s::text IS NULL OR letter.adapter = %(adapter)s)
  AND (%(entity)s::text IS NULL OR letter.entity = %(entity)s) AND {MATCHES_REASON}
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY letter.org_id, count(*) DESC, letter.adapter, letter.entity, letter.field,
  letter.value_type, letter.reason
"""  # noqa: S608  joined of our own constants
_ONE = """
SELECT letter.*, walked.mode, walked.trigger, ARRAY(
  SELECT event.event_id FROM sync.webhook_events event
  WHERE event.org_id = letter.org_id AND event.adapter = letter.adapter AND event.entity = letter.entity
    AND event.external_id = letter.external_id AND event.outcome = 'set aside as a dead letter'
  ORDER BY event.received_at DESC LIMIT 5) AS events
FROM sync.dead_letters letter
LEFT JOIN sync.passes walked ON walked.org_id = letter.org_id AND walked.pass_id = letter.pass_id
WHERE letter.dead_letter_id = %s
"""


def list_dead_letter_groups(
    database: Database,
    org: OrgId | None = None,
    adapter: AdapterName | None = None,
    entity: EntityName | None = None,
    reason: str | None = None,
) -> list[DeadLetterGroup]:
    """Return the waiting dead letters of one org or of all by reason, each org's most frequent first; no values."""
    parameters = {"org": org, "adapter": adapter, "entity": entity, "reason": reason}
    with database.connect_reading(org) as session:
        rows = session.execute(_GROUPS, parameters).fetchall()
    return [DeadLetterGroup(SyncKey(org, adapter, entity), *figures) for org, adapter, entity, *figures in rows]


def load_dead_letter(database: Database, letter_id: int) -> DeadLetter:
    """Return one dead letter with its raw record; one that was resolved lately too.

    Raises:
        UsageError: There is no dead letter of this number.
    """
    with database.connect_fleet() as session:
        row = session.cursor(row_factory=dict_row).execute(_ONE, (letter_id,)).fetchone()
    if row is None:
        raise UsageError(f"there is no dead letter {letter_id}; list them with: openfaith-sync dead-letters list")
    return _parse(row)


def _parse(row: dict[str, Any]) -> DeadLetter:
    return DeadLetter(
        letter_id=row["dead_letter_id"],
        key=SyncKey(OrgId(row["org_id"]), AdapterName(row["adapter"]), EntityName(row["entity"])),
        external_id=ExternalId(row["external_id"]),
        field=row["field"],
        value_type=row["value_type"],
        reason=row["reason"],
        raw=row["raw"],
        is_replayable=bool(row["is_whole"]),
        parent_id=row["parent_id"],
        manifest_version=row["manifest_version"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        occurrences=row["occurrences"],
        resolved_at=row["resolved_at"],
        origin=Origin(row["pass_id"], row["mode"], row["trigger"], row["page"], tuple(row["events"])),
    )
