"""The alerts for people: open or over, whom they affect, and how many targets know."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from openfaith_sync.domain.alerts.causes import AlertSeverity
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.store.database.database import Database

_LIST = """
SELECT alert.alert_id, alert.adapter, alert.cause, alert.severity, alert.detail, alert.command, alert.is_general,
       alert.first_seen_at, alert.closed_at,
       ARRAY(SELECT org_id FROM sync.alert_orgs WHERE alert_orgs.alert_id = alert.alert_id ORDER BY since, org_id),
       (SELECT count(DISTINCT target) FILTER (WHERE sent_at IS NOT NULL) FROM sync.alert_messages told
        WHERE told.alert_id = alert.alert_id),
       (SELECT count(DISTINCT target) FROM sync.alert_messages told WHERE told.alert_id = alert.alert_id)
FROM sync.alerts alert WHERE alert.closed_at IS NULL OR %(is_all)s
ORDER BY alert.closed_at IS NOT NULL, alert.first_seen_at, alert.alert_id
"""
_PRUNE = "DELETE FROM sync.alerts WHERE closed_at < now() - %s"


@dataclass(frozen=True, slots=True)
class AlertReport:
    """An alert, and who was told."""

    alert_id: int
    adapter: AdapterName
    cause: str
    severity: AlertSeverity
    detail: str
    command: str
    is_general: bool
    opened_at: datetime
    closed_at: datetime | None
    orgs: tuple[OrgId, ...]
    told: int
    """The number of targets that accepted a message about it."""
    targets: int
    """The number of targets that a message about it was written for."""


def list_alert_reports(database: Database, *, is_all: bool = False) -> list[AlertReport]:
    """Return the open alerts, oldest first; with ``is_all`` also those that are over."""
    with database.connect_fleet() as session:
        return [_report(row) for row in session.execute(_LIST, {"is_all": is_all})]


def prune_alerts(database: Database, older_than: timedelta) -> int:
    """Delete the alerts that were closed longer ago than this, with their messages, and return how many."""
    with database.connect_fleet() as session:
        return session.execute(_PRUNE, (older_than,)).rowcount


def _report(row: tuple[Any, ...]) -> AlertReport:
    alert_id, adapter, cause, severity, *rest, orgs, told, targets = row
    values: list[Any] = [
        alert_id,
        AdapterName(adapter),
        cause,
        AlertSeverity(severity),
        *rest,
        tuple(orgs),
        told,
        targets,
    ]
    return AlertReport(*values)
