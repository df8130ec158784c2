"""Compare the open alerts with what is wrong now: open, extend and close them.

What is wrong is read from the tables each time, so this may be killed anywhere and repeated.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from openfaith_sync.domain.alerts.causes import AlertKey, PresentCause, find_causes
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.alert_messages import ALONE
from openfaith_sync.store.postgres.statements import Connection, fetch_one

CALM_FOR = timedelta(minutes=2)
"""A cause that is gone for less than this and comes back is the same alert: a source that answers every other request
is told once."""

_LOG = logging.getLogger("openfaith_sync.alerts")

# A look at one org knows what it adds, and not what the others need.
_OPEN = """
INSERT INTO sync.alerts AS held (adapter, cause, severity, detail, command, is_general)
VALUES (%(adapter)s, %(cause)s, %(severity)s, %(detail)s, %(command)s, %(is_general)s)
ON CONFLICT (adapter, cause) WHERE closed_at IS NULL DO UPDATE SET
  last_seen_at = now(),
  severity = CASE WHEN %(org)s::text IS NULL OR EXCLUDED.severity = 'critical' THEN EXCLUDED.severity
                  ELSE held.severity END,
  detail = CASE WHEN %(org)s::text IS NULL THEN EXCLUDED.detail ELSE held.detail END,
  command = CASE WHEN %(org)s::text IS NULL THEN EXCLUDED.command ELSE held.command END,
  is_general = EXCLUDED.is_general OR (held.is_general AND %(org)s::text IS NOT NULL)
RETURNING alert_id, xmax = 0
"""
_ADD = """
INSERT INTO sync.alert_orgs AS held (org_id, alert_id, detail, command)
SELECT org_id, %(alert)s, detail, command
FROM unnest(%(orgs)s::text[], %(details)s::text[], %(commands)s::text[]) AS affected(org_id, detail, command)
ON CONFLICT (org_id, alert_id) DO UPDATE SET detail = EXCLUDED.detail, command = EXCLUDED.command
WHERE (held.detail, held.command) IS DISTINCT FROM (EXCLUDED.detail, EXCLUDED.command)
"""
_REMOVE = """
DELETE FROM sync.alert_orgs
WHERE alert_id = %(alert)s AND org_id <> ALL (%(orgs)s) AND (%(org)s::text IS NULL OR org_id = %(org)s)
"""
_IS_GONE = """
alerts.closed_at IS NULL AND alerts.last_seen_at <= now() - %(calm)s AND alerts.alert_id <> ALL (%(present)s)
"""
_RELIEVE = f"""
DELETE FROM sync.alert_orgs USING sync.alerts
WHERE alerts.alert_id = alert_orgs.alert_id AND {_IS_GONE} AND (%(org)s::text IS NULL OR alert_orgs.org_id = %(org)s)
"""  # noqa: S608  our own constants, here and below
_LIMIT = f"UPDATE sync.alerts SET is_general = false WHERE {_IS_GONE} AND is_general AND %(org)s::text IS NULL"  # noqa: S608
_CLOSE = f"""
UPDATE sync.alerts SET closed_at = now() WHERE {_IS_GONE} AND NOT is_general
  AND NOT EXISTS (SELECT FROM sync.alert_orgs WHERE alert_orgs.alert_id = alerts.alert_id)
"""  # noqa: S608


def update_alerts(database: Database, org: OrgId | None = None, calm_for: timedelta = CALM_FOR) -> None:
    """Make the alerts those of the present problems, of one org or of all; each new one is logged once."""
    found = find_causes(list_problems(database, org))
    with database.connect_fleet() as session, session.transaction():
        fetch_one(session, ALONE, ())
        opened = [_open(session, key, cause, org) for key, cause in found.items()]
        parameters = {"present": [alert for alert, _ in opened], "org": org, "calm": calm_for}
        for statement in (_RELIEVE, _LIMIT, _CLOSE):
            session.execute(statement, parameters)
    _log(key_and_cause for key_and_cause, (_, is_new) in zip(found.items(), opened, strict=True) if is_new)


def _open(session: Connection, key: AlertKey, cause: PresentCause, org: OrgId | None) -> tuple[int, bool]:
    """Open or extend the alert of a cause; return its number, and whether it is new."""
    adapter, kind = key
    parameters: dict[str, Any] = {
        "adapter": adapter,
        "cause": kind.value,
        "severity": cause.severity.value,
        "detail": cause.detail,
        "command": cause.command,
        "is_general": cause.is_general,
        "org": org,
        "orgs": list(cause.orgs),
        "details": [problem.detail for problem in cause.orgs.values()],
        "commands": [problem.command for problem in cause.orgs.values()],
    }
    alert, is_new = fetch_one(session, _OPEN, parameters)
    for statement in (_REMOVE, _ADD):
        session.execute(statement, {**parameters, "alert": alert})
    return alert, is_new


def _log(opened: Iterable[tuple[AlertKey, PresentCause]]) -> None:
    for (adapter, kind), cause in opened:
        _LOG.error("%s: %s: %s; %s", adapter, kind.value, cause.detail, cause.command)
