"""Alerts: each cause is reported once, however many orgs it affects and however often.

An alert is open while it affects any org. Every statement here covers a whole adapter on purpose,
since what many orgs share is reported once; no data of an org is read.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection, fetch_one

_LOG = logging.getLogger("openfaith_sync.alerts")

OUTAGE = "outage"
"""The cause that a source does not respond."""
REFUSED = "refused"
"""The cause that a source refuses an entity that an org could read before."""

_RAISE = """
WITH raised AS (
  INSERT INTO sync.alerts (adapter, cause, detail, is_general)
  VALUES (%(adapter)s, %(cause)s, %(detail)s, %(org)s::text IS NULL)
  ON CONFLICT (adapter, cause) WHERE closed_at IS NULL DO UPDATE
  SET last_seen_at = now(), detail = EXCLUDED.detail, is_general = alerts.is_general OR EXCLUDED.is_general
  RETURNING alert_id, xmax = 0 AS is_new),
concerned AS (
  INSERT INTO sync.alert_orgs (org_id, alert_id)
  SELECT %(org)s::text, alert_id FROM raised WHERE %(org)s::text IS NOT NULL ON CONFLICT DO NOTHING)
SELECT is_new FROM raised
"""
_LOCK = """
SELECT alert_id FROM sync.alerts
WHERE adapter = %(adapter)s AND cause = %(cause)s AND closed_at IS NULL FOR UPDATE
"""
_LOCK_OF_ORG = """
SELECT alert.alert_id FROM sync.alerts alert
JOIN sync.alert_orgs concerned ON concerned.alert_id = alert.alert_id AND concerned.org_id = %(org)s
WHERE alert.closed_at IS NULL ORDER BY alert.alert_id FOR UPDATE OF alert
"""
_RELIEVE = """
DELETE FROM sync.alert_orgs
WHERE alert_id = ANY (%(alerts)s) AND (%(org)s::text IS NULL OR org_id = %(org)s)
"""
_CLOSE = """
UPDATE sync.alerts SET closed_at = now()
WHERE alert_id = ANY (%(alerts)s) AND (%(org)s::text IS NULL OR NOT is_general)
  AND NOT EXISTS (SELECT FROM sync.alert_orgs concerned WHERE concerned.alert_id = alerts.alert_id)
"""
_OPEN = """
SELECT alert.adapter, alert.cause, alert.detail, alert.is_general, alert.first_seen_at,
       ARRAY(SELECT concerned.org_id FROM sync.alert_orgs concerned WHERE concerned.alert_id = alert.alert_id)
FROM sync.alerts alert
WHERE alert.closed_at IS NULL AND (%(org)s::text IS NULL OR alert.is_general OR EXISTS (
  SELECT FROM sync.alert_orgs concerned
  WHERE concerned.alert_id = alert.alert_id AND concerned.org_id = %(org)s))
ORDER BY alert.first_seen_at, alert.alert_id
"""
_PRUNE = "DELETE FROM sync.alerts WHERE closed_at < now() - %s"


@dataclass(frozen=True, slots=True)
class Alert:
    """A problem that is reported while it lasts."""

    adapter: AdapterName
    cause: str
    detail: str
    """What happened last, and what to do."""
    is_general: bool
    """Whether it affects every org of the adapter."""
    first_seen_at: datetime
    orgs: frozenset[OrgId]
    """The affected orgs."""

    def concerns(self, org: OrgId, adapter: AdapterName) -> bool:
        """Return whether the alert affects this org's connection, or all connections to its adapter."""
        return self.adapter == adapter and (self.is_general or org in self.orgs)


def raise_alert(database: Database, adapter: AdapterName, cause: str, org: OrgId | None, detail: str) -> bool:
    """Report a cause that affects an org, or the whole adapter, and return whether the alert is new.

    Only new alerts are logged: a problem that affects 500 orgs at once is one line and one row.
    """
    with database.connect_fleet() as session:
        is_new = raise_alert_on(session, adapter, cause, org, detail)
    if is_new:
        log_alert(adapter, cause, detail)
    return is_new


def raise_alert_on(session: Connection, adapter: AdapterName, cause: str, org: OrgId | None, detail: str) -> bool:
    """Raise an alert within the caller's transaction; the caller logs it after the commit if it is new."""
    parameters = {"adapter": adapter, "cause": cause, "org": org, "detail": detail}
    return bool(fetch_one(session, _RAISE, parameters)[0])


def log_alert(adapter: AdapterName, cause: str, detail: str) -> None:
    """Log a new alert."""
    _LOG.error("%s: %s: %s", adapter, cause, detail)


def close_alert(database: Database, adapter: AdapterName, cause: str, org: OrgId | None) -> bool:
    """Remove an org, or all orgs, from an alert, and return whether that closed it."""
    with database.connect_fleet() as session, session.transaction():
        return close_alert_on(session, adapter, cause, org)


def close_alert_on(session: Connection, adapter: AdapterName, cause: str, org: OrgId | None) -> bool:
    """Remove an org, or all orgs, from an alert within the caller's transaction."""
    rows = session.execute(_LOCK, {"adapter": adapter, "cause": cause}).fetchall()
    return _relieve(session, [row[0] for row in rows], org)


def close_alerts_of(session: Connection, org: OrgId) -> None:
    """Remove an org from all alerts; the caller's transaction locks their rows until it ends."""
    rows = session.execute(_LOCK_OF_ORG, {"org": org}).fetchall()
    _relieve(session, [row[0] for row in rows], org)


def list_alerts(database: Database, org: OrgId | None = None) -> list[Alert]:
    """Return the open alerts of one org or of all, oldest first."""
    with database.connect_reading(org) as session:
        rows = session.execute(_OPEN, {"org": org})
        return [Alert(*(*parameters, frozenset(orgs))) for *parameters, orgs in rows]


def prune_alerts(database: Database, older_than: timedelta) -> int:
    """Delete the alerts that were closed longer ago than this, and return how many."""
    with database.connect_fleet() as session:
        return session.execute(_PRUNE, (older_than,)).rowcount


def _relieve(session: Connection, alerts: list[int], org: OrgId | None) -> bool:
    """Close the alerts that affect no other org; their rows are locked, so that no org is added meanwhile."""
    if not alerts:
        return False
    session.execute(_RELIEVE, {"alerts": alerts, "org": org})
    # A separate statement, so that it sees the orgs that others removed before the lock was granted.
    return session.execute(_CLOSE, {"alerts": alerts, "org": org}).rowcount > 0
