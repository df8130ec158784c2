"""People are told once of each cause, and it is over when it concerns nobody any more."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.alerts import close_alert, list_alerts, prune_alerts, raise_alert
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, PCO, fetch, run

REVOKED, OUTAGE = "grant_revoked", "outage"


def test_one_cause_is_one_alert_and_one_line_of_the_log_however_many_orgs(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    orgs = [OrgId(f"church-{number}") for number in range(40)]
    with caplog.at_level(logging.ERROR), ThreadPoolExecutor(8) as threads:
        news = list(threads.map(lambda org: raise_alert(database, PCO, REVOKED, org, "connect again"), orgs))
    assert sum(news) == 1
    assert [record.message for record in caplog.records] == ["pco: grant_revoked: connect again"]
    (alert,) = list_alerts(database)
    assert alert.orgs == set(orgs)
    assert alert.concerns(orgs[3], PCO)
    assert not alert.concerns(ORG, PCO)


def test_it_is_over_with_the_last_org(database: Database) -> None:
    for org in (ORG, OTHER_ORG):
        raise_alert(database, PCO, REVOKED, org, "connect again")
    assert not close_alert(database, PCO, REVOKED, ORG)
    assert list_alerts(database)[0].orgs == {OTHER_ORG}
    assert close_alert(database, PCO, REVOKED, OTHER_ORG)
    assert list_alerts(database) == []
    assert not close_alert(database, PCO, REVOKED, OTHER_ORG)


def test_when_all_orgs_heal_at_once_it_is_over(database: Database) -> None:
    orgs = [OrgId(f"church-{number}") for number in range(40)]
    for org in orgs:
        raise_alert(database, PCO, REVOKED, org, "connect again")
    with ThreadPoolExecutor(8) as threads:
        ended = list(threads.map(lambda org: close_alert(database, PCO, REVOKED, org), orgs))
    assert sum(ended) == 1
    assert list_alerts(database) == []


def test_the_same_cause_later_is_news_again(database: Database) -> None:
    raise_alert(database, PCO, OUTAGE, None, "down")
    assert close_alert(database, PCO, OUTAGE, None)
    assert raise_alert(database, PCO, OUTAGE, None, "down again")
    assert [alert.detail for alert in list_alerts(database)] == ["down again"]


def test_what_concerns_an_adapter_concerns_each_org_and_does_not_end_with_one(database: Database) -> None:
    raise_alert(database, PCO, OUTAGE, None, "down")
    (alert,) = list_alerts(database, ORG)
    assert alert.is_general
    assert alert.concerns(ORG, PCO)
    raise_alert(database, PCO, OUTAGE, ORG, "down")
    assert not close_alert(database, PCO, OUTAGE, ORG)
    assert close_alert(database, PCO, OUTAGE, None)


def test_an_org_is_told_of_what_concerns_it(database: Database) -> None:
    raise_alert(database, PCO, REVOKED, ORG, "connect again")
    assert [alert.cause for alert in list_alerts(database, ORG)] == [REVOKED]
    assert list_alerts(database, OTHER_ORG) == []


def test_a_removed_org_is_nobodys_trouble(database: Database) -> None:
    add_connection(database, Connection(ORG, PCO, "https://pco.example", BasicCredentials("a", "b")))
    raise_alert(database, PCO, REVOKED, ORG, "connect again")
    raise_alert(database, PCO, OUTAGE, None, "down")
    disconnect_org(database, ORG)
    assert [alert.cause for alert in list_alerts(database)] == [OUTAGE]


@pytest.mark.parametrize(("age", "gone"), [("91 days", 1), ("89 days", 0)])
def test_what_was_over_long_ago_is_forgotten(database: Database, age: str, gone: int) -> None:
    raise_alert(database, PCO, OUTAGE, None, "down")
    close_alert(database, PCO, OUTAGE, None)
    raise_alert(database, PCO, REVOKED, ORG, "still open")
    run(database, f"UPDATE sync.alerts SET closed_at = closed_at - interval '{age}'")
    assert prune_alerts(database, timedelta(days=90)) == gone
    assert fetch(database, "SELECT count(*) FROM sync.alerts") == [(2 - gone,)]
