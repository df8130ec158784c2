"""Alerts follow the present problems: each cause once, open while it affects anybody."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from openfaith_sync.domain.alerts.causes import AlertSeverity
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.admin.alert_detection import update_alerts
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.alerts import list_alert_reports, prune_alerts
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, fetch, run
from openfaith_sync_tests.store.present_alerts import REVOKED, present_alerts, reconnect, revoke

ORGS = [OrgId(f"church-{number:03}") for number in range(200)]


def test_one_cause_is_one_alert_and_one_line_of_the_log_however_many_orgs(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    revoke(database, ORGS)
    with caplog.at_level(logging.ERROR), ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: update_alerts(database), range(4)))
    (line,) = [record.message for record in caplog.records]
    assert line.startswith(
        f"pco: connection: church-000: the org must reconnect: {REVOKED}; openfaith-sync org connect"
    )
    (alert,) = present_alerts(database)
    assert list(alert.orgs) == ORGS
    assert alert.severity is AlertSeverity.CRITICAL
    assert alert.command == "openfaith-sync org connect church-000 --adapter pco"
    assert fetch(database, "SELECT count(*) FROM sync.alerts") == [(1,)]


def test_it_is_over_with_the_last_org_and_later_it_is_another_alert(database: Database) -> None:
    revoke(database, [ORG, OTHER_ORG])
    (first,) = present_alerts(database)
    reconnect(database, [ORG])
    assert [alert.orgs for alert in present_alerts(database)] == [(OTHER_ORG,)]
    reconnect(database, [OTHER_ORG])
    assert present_alerts(database) == []
    revoke(database, [ORG])
    (second,) = present_alerts(database)
    assert second.alert_id != first.alert_id


def test_a_cause_that_comes_back_at_once_is_the_same_alert(database: Database) -> None:
    revoke(database, [ORG])
    update_alerts(database)
    for _ in range(3):
        reconnect(database, [ORG])
        update_alerts(database)
        revoke(database, [ORG])
        update_alerts(database)
    assert fetch(database, "SELECT count(*), count(closed_at) FROM sync.alerts") == [(1, 0)]
    # Nor has the org joined it anew.
    assert fetch(database, "SELECT since = first_seen_at FROM sync.alert_orgs JOIN sync.alerts USING (alert_id)") == [
        (True,)
    ]
    reconnect(database, [ORG])
    run(database, "UPDATE sync.alerts SET last_seen_at = last_seen_at - interval '3 minutes'")
    update_alerts(database)
    assert list_alert_reports(database) == []


def test_what_affects_every_org_names_none(database: Database) -> None:
    revoke(database, [ORG, OTHER_ORG])
    run(database, "UPDATE sync.connections SET status = 'active'")
    run(database, "INSERT INTO sync.adapter_breakers (adapter, probe_at, reason) VALUES ('pco', now(), 'no answer')")
    (alert,) = present_alerts(database)
    assert (alert.cause, alert.is_general, alert.orgs) == ("outage", True, ())
    assert alert.severity is AlertSeverity.CRITICAL
    run(database, "DELETE FROM sync.adapter_breakers")
    assert present_alerts(database) == []


def test_a_look_at_one_org_adds_and_takes_away_that_org_only(database: Database) -> None:
    revoke(database, [ORG, OTHER_ORG])
    update_alerts(database, ORG, timedelta())
    assert [alert.orgs for alert in list_alert_reports(database)] == [(ORG,)]
    update_alerts(database, OTHER_ORG, timedelta())
    assert [alert.orgs for alert in list_alert_reports(database)] == [(ORG, OTHER_ORG)]
    reconnect(database, [ORG, OTHER_ORG])
    update_alerts(database, ORG, timedelta())
    assert [alert.orgs for alert in list_alert_reports(database)] == [(OTHER_ORG,)]
    update_alerts(database, OTHER_ORG, timedelta())
    assert list_alert_reports(database) == []


def test_a_removed_org_is_nobodys_trouble(database: Database) -> None:
    revoke(database, [ORG])
    update_alerts(database)
    disconnect_org(database, ORG)
    assert fetch(database, "SELECT count(*) FROM sync.alert_orgs") == [(0,)]
    assert present_alerts(database) == []


@pytest.mark.parametrize(("age", "gone"), [("91 days", 1), ("89 days", 0)])
def test_what_was_over_long_ago_is_forgotten(database: Database, age: str, gone: int) -> None:
    revoke(database, [ORG])
    update_alerts(database)
    reconnect(database, [ORG])
    present_alerts(database)
    revoke(database, [ORG])
    present_alerts(database)
    run(database, f"UPDATE sync.alerts SET closed_at = closed_at - interval '{age}'")
    assert prune_alerts(database, timedelta(days=90)) == gone
    assert fetch(database, "SELECT count(*) FROM sync.alerts") == [(2 - gone,)]
