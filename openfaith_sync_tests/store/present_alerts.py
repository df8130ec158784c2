"""Brings the alerts up to date as the daemon does, and makes causes for them."""

from collections.abc import Sequence
from datetime import timedelta

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.admin.alert_detection import update_alerts
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.alerts import AlertReport, list_alert_reports
from openfaith_sync_tests.store.making import run

REVOKED = "the grant was revoked"
_REVOKE = """
INSERT INTO sync.connections (org_id, adapter, base_url, auth_method, secret, status, status_reason)
SELECT org, 'pco', 'https://pco.example', 'oauth2', '', 'reconnect_needed', %s FROM unnest(%s::text[]) AS org
ON CONFLICT (org_id, adapter) DO UPDATE SET status = 'reconnect_needed', status_reason = EXCLUDED.status_reason
"""


def present_alerts(database: Database) -> list[AlertReport]:
    """Compare the alerts with what is wrong now, and return those that are open."""
    update_alerts(database, calm_for=timedelta())
    return list_alert_reports(database)


def revoke(database: Database, orgs: Sequence[OrgId]) -> None:
    """Connect these orgs with a grant that was revoked."""
    run(database, _REVOKE, REVOKED, list(orgs))


def reconnect(database: Database, orgs: Sequence[OrgId]) -> None:
    """Reconnect these orgs and pause them, so that nothing else is due."""
    run(database, "UPDATE sync.connections SET status = 'paused' WHERE org_id = ANY (%s)", list(orgs))
