"""``alerts list`` and ``alerts test``: what is open, who was told, and nothing secret."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.sessions.alerting import watch_alerts
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.admin.alert_detection import update_alerts
from openfaith_sync.store.connections.connections import set_connection_status
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.alert_messages import list_target_states
from openfaith_sync_tests.alert_receiver import SECRET, AlertReceiver, alert_receiver
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.store.making import PCO
from openfaith_sync_tests.store.making import run as run_statement
from openfaith_sync_tests.store.present_alerts import REVOKED, reconnect, revoke

ORGS = [OrgId(f"church-{number}") for number in range(5)]
NOWHERE = "slack://T0KENAAAA/B0KENBBBB/hunter2hunter2hunter2hunt"


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with alert_receiver() as running:
        yield running


def raise_settled(database: Database) -> None:
    revoke(database, ORGS)
    update_alerts(database)
    run_statement(database, "UPDATE sync.alerts SET first_seen_at = first_seen_at - interval '1 minute'")


def test_open_alerts_are_listed_with_who_was_told(run_stored: Run, database: Database, receiver: AlertReceiver) -> None:
    raise_settled(database)
    watch_alerts(database, [receiver.url])
    listed = run_stored("alerts", "list", OPENFAITH_ALERT_URLS=receiver.url)
    assert listed.exit_code == 0
    assert "church-0, church-1, church-2 and 2 more" in listed.stdout
    assert "1 of 1" in listed.stdout
    assert "working" in listed.stdout
    assert f"json://127.0.0.1:{receiver.port} #" in listed.stdout
    assert REVOKED in listed.stderr
    assert SECRET not in listed.output
    said = json.loads(run_stored("alerts", "list", "--json", OPENFAITH_ALERT_URLS=receiver.url).stdout)
    (alert,) = said["alerts"]
    assert (alert["cause"], alert["severity"], alert["orgs"]) == ("connection", "critical", ORGS)
    assert [(target["status"], target["waiting"]) for target in said["targets"]] == [("working", 0)]


def test_what_is_over_is_listed_on_request(run_stored: Run, database: Database) -> None:
    raise_settled(database)
    reconnect(database, ORGS)
    update_alerts(database, calm_for=timedelta())
    assert "there are no open alerts" in run_stored("alerts", "list").stderr
    (alert,) = json.loads(run_stored("alerts", "list", "--all", "--json").stdout)["alerts"]
    assert alert["until"] is not None


def test_a_target_that_fails_or_is_no_longer_set_is_seen(
    run_stored: Run, database: Database, receiver: AlertReceiver
) -> None:
    raise_settled(database)
    receiver.status = 500
    watch_alerts(database, [receiver.url])
    listed = run_stored("alerts", "list", OPENFAITH_ALERT_URLS=receiver.url)
    assert "failing" in listed.stdout
    assert "the answer was HTTP 500" in listed.stdout
    (state,) = list_target_states(database)
    assert state.next_at is not None
    assert (state.failures, state.next_at.tzinfo is not None, state.last_sent_at) == (1, True, None)
    assert run_stored("status", "--problems").stderr == ""
    run_statement(database, "UPDATE sync.alert_messages SET attempts = 3")
    checked = run_stored("status", "--check")
    assert checked.exit_code == 1
    shown = f"alerts do not reach json://127.0.0.1:{receiver.port} #"
    assert shown in checked.stderr
    assert "the answer was HTTP 500; openfaith-sync alerts list" in checked.stderr
    # Nobody tries a target that is no longer set.
    run_statement(database, "UPDATE sync.alert_messages SET not_before = now() - interval '3 hours'")
    assert shown not in run_stored("status", "--check").stderr
    unset = run_stored("alerts", "list")
    assert "no longer set" in unset.stdout
    assert "nobody is told: set OPENFAITH_ALERT_URLS" in unset.stderr


def test_a_test_message_goes_to_every_target_and_a_failure_is_an_exit_status(run: Run, receiver: AlertReceiver) -> None:
    accepted = run("alerts", "test", OPENFAITH_ALERT_URLS=receiver.url)
    assert accepted.exit_code == 0
    assert receiver.titles == ["TEST: OpenFaith Sync can reach you"]
    receiver.status = 403
    failed = run("alerts", "test", "--json", OPENFAITH_ALERT_URLS=f"{receiver.url} nonsense://secretsecret")
    assert failed.exit_code == 1
    assert [row["reason"] for row in json.loads(failed.stdout)] == [
        "the answer was HTTP 403",
        "Apprise does not understand this URL",
    ]
    assert "secret" not in failed.output
    assert SECRET not in accepted.output + failed.output


def test_without_a_target_there_is_nothing_to_test(run: Run) -> None:
    refused = run("alerts", "test")
    assert refused.exit_code == 2
    assert "OPENFAITH_ALERT_URLS" in refused.stderr


def test_a_token_in_the_place_of_a_host_is_not_shown(run_stored: Run) -> None:
    shown = run_stored("alerts", "list", OPENFAITH_ALERT_URLS=NOWHERE)
    assert "slack:// #" in shown.stdout
    assert "T0KEN" not in shown.output


def test_the_list_shows_a_url_that_can_tell_nobody(run_stored: Run) -> None:
    listed = json.loads(run_stored("alerts", "list", "--json", OPENFAITH_ALERT_URLS="nonsense://secretsecret").stdout)
    (target,) = listed["targets"]
    assert (target["status"], target["failure"]) == ("failing", "Apprise does not understand this URL")


def test_a_sync_by_hand_tells_what_it_finds_and_what_is_over(
    run_stored: Run, database: Database, receiver: AlertReceiver, church: RunningSimulator
) -> None:
    urls = {"OPENFAITH_ALERT_URLS": receiver.url}
    added = ("org", "add", "grace", "--base-url", church.base_url, "--basic-stdin")
    credentials = f"{church.application_id}:{church.secret}"
    assert run_stored(*added, stdin=credentials).exit_code == 0
    set_connection_status(database, OrgId("grace"), PCO, ConnectionStatus.RECONNECT_NEEDED, REVOKED)
    assert run_stored("sync", "grace", **urls).exit_code == 1
    assert receiver.titles == ["CRITICAL: pco access refused for grace"]
    assert run_stored(*added, stdin=credentials).exit_code == 0
    assert run_stored("sync", "grace", "--entity", "campus", **urls).exit_code == 0
    assert receiver.titles[1:] == ["RECOVERED: pco access refused"]
