"""Law 13: each cause is told once, for however many orgs; no message is lost, and a repetition is recognizable."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.domain.alerts.targets import build_target
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.sessions.alerting import watch_alerts
from openfaith_sync.store.admin.alert_detection import update_alerts
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.alert_messages import write_due_messages
from openfaith_sync_tests.alert_receiver import SECRET, AlertReceiver, alert_receiver
from openfaith_sync_tests.laws.teller import KILLED, STEPS, Tellers
from openfaith_sync_tests.store.making import ORG, fetch, run
from openfaith_sync_tests.store.present_alerts import reconnect, revoke

REFUSED = "CRITICAL: pco access refused"
ORGS = [OrgId(f"church-{number:03}") for number in range(200)]
Tell = Callable[..., int]


@pytest.fixture(scope="module")
def tellers() -> Iterator[Tellers]:
    with Tellers() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with alert_receiver() as running:
        yield running


@pytest.fixture
def tell(tellers: Tellers, database: Database, receiver: AlertReceiver, tmp_path: Path) -> Tell:
    """Sends what is due from a process of its own, which may be killed at a step; gives its exit status."""

    def tell_now(**job: Any) -> int:
        settled(database)
        common = {"database_url": database.libpq_url, "home": str(tmp_path), "urls": [receiver.url]}
        return int(tellers.run({**common, **job}))

    return tell_now


def settled(database: Database) -> None:
    """Open the alerts, and let the time pass after which they are told, and a dead process's claim ends."""
    update_alerts(database)
    run(database, "UPDATE sync.alerts SET first_seen_at = first_seen_at - interval '1 minute'")
    run(database, "UPDATE sync.alert_messages SET claimed_until = now() - interval '1 second'")


def kinds(database: Database) -> list[str]:
    rows = fetch(database, "SELECT kind FROM sync.alert_messages WHERE sent_at IS NOT NULL ORDER BY number")
    return [row[0] for row in rows]


def test_200_orgs_that_fail_for_one_cause_are_one_message_and_one_recovery(
    tell: Tell, database: Database, receiver: AlertReceiver
) -> None:
    revoke(database, ORGS)
    for _ in range(3):
        assert tell() == 0
    assert receiver.titles == [f"{REFUSED} for 200 orgs"]
    assert receiver.messages[0]["type"] == "failure"
    assert receiver.messages[0]["message"].startswith("200 orgs, since ")
    reconnect(database, ORGS)
    for _ in range(3):
        assert tell() == 0
    assert receiver.titles[1:] == ["RECOVERED: pco access refused"]
    assert receiver.messages[1]["message"].startswith("Over for 200 orgs: ")
    assert receiver.messages[1]["type"] == "success"
    assert len(set(receiver.ids)) == 2


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_nothing_is_lost_and_a_repetition_has_the_same_id(
    step: str, tell: Tell, database: Database, receiver: AlertReceiver
) -> None:
    revoke(database, [ORG])
    assert tell(kill_at=step) == KILLED
    assert tell() == 0
    assert tell() == 0
    # Only where it was sent and not recorded is it sent twice.
    assert len(receiver.messages) == (2 if step == "sent" else 1)
    assert len(set(receiver.ids)) == 1
    reconnect(database, [ORG])
    assert tell(kill_at=step) == KILLED
    assert tell() == 0
    assert tell() == 0
    assert len(receiver.messages) == (4 if step == "sent" else 2)
    assert len(set(receiver.ids)) == 2
    assert receiver.titles[-1] == "RECOVERED: pco access refused"
    assert kinds(database) == ["opened", "recovered"]


def test_what_a_process_is_sending_no_other_one_sends(tell: Tell, database: Database, receiver: AlertReceiver) -> None:
    revoke(database, [ORG])
    assert tell(kill_at="claimed") == KILLED
    run(database, "UPDATE sync.alert_messages SET claimed_until = now() + interval '1 minute'")
    watch_alerts(database, [receiver.url])
    assert receiver.messages == []
    assert tell() == 0
    assert len(receiver.messages) == 1


def test_processes_that_look_at_once_write_each_message_once(database: Database, receiver: AlertReceiver) -> None:
    revoke(database, [ORG])
    settled(database)
    target = build_target(receiver.url)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: write_due_messages(database, [target]), range(16)))
    assert fetch(database, "SELECT kind, number FROM sync.alert_messages") == [("opened", 1)]


def test_a_target_that_answers_500_is_retried_and_told_everything_in_its_order(
    tell: Tell, database: Database, receiver: AlertReceiver
) -> None:
    receiver.status = 500
    revoke(database, [ORG])
    assert tell() == 0
    assert tell() == 0
    assert len(receiver.messages) == 1
    ((failure, attempts, wait),) = fetch(
        database, "SELECT failure, attempts, extract(epoch FROM not_before - now()) FROM sync.alert_messages"
    )
    assert (failure, attempts) == ("the answer was HTTP 500", 1)
    assert 0 < wait <= 15
    reconnect(database, [ORG])
    # The end is not told before the beginning, which waits.
    run(database, "UPDATE sync.alert_messages SET not_before = now() + interval '1 minute'")
    assert tell() == 0
    assert len(receiver.messages) == 1
    make_due(database)
    assert tell() == 0
    assert receiver.titles == [f"{REFUSED} for {ORG}"] * 2
    receiver.status = 200
    make_due(database)
    assert tell() == 0
    assert receiver.titles[2:] == [f"{REFUSED} for {ORG}", "RECOVERED: pco access refused"]
    assert len(set(receiver.ids)) == 2
    assert fetch(database, "SELECT failure FROM sync.alert_messages") == [(None,), (None,)]


def make_due(database: Database) -> None:
    run(database, "UPDATE sync.alert_messages SET not_before = now()")


def test_a_message_is_given_up_only_when_its_alert_is_over_for_long(
    tell: Tell, database: Database, receiver: AlertReceiver
) -> None:
    receiver.status = 500
    revoke(database, [ORG])
    assert tell() == 0
    run(database, "UPDATE sync.alert_messages SET created_at = now() - interval '30 days', not_before = now()")
    assert tell() == 0
    assert fetch(database, "SELECT gave_up_at FROM sync.alert_messages") == [(None,)]
    reconnect(database, [ORG])
    make_due(database)
    assert tell() == 0
    assert fetch(database, "SELECT kind FROM sync.alert_messages WHERE gave_up_at IS NOT NULL") == [("opened",)]


def test_a_slow_or_dead_target_delays_no_other_and_a_new_one_is_told_what_is_open(
    tell: Tell, database: Database, receiver: AlertReceiver
) -> None:
    revoke(database, [ORG])
    nowhere = "json://127.0.0.1:9/"
    assert tell(urls=[nowhere, "nonsense://", receiver.url]) == 0
    assert len(receiver.messages) == 1
    failures = fetch(database, "SELECT failure FROM sync.alert_messages WHERE sent_at IS NULL ORDER BY 1")
    assert failures == [("Apprise does not understand this URL",), ("no connection, or no answer in time",)]
    with alert_receiver() as added:
        assert tell(urls=[receiver.url, added.url]) == 0
        assert added.titles == receiver.titles == [f"{REFUSED} for {ORG}"]


def test_no_secret_of_a_url_is_stored(tell: Tell, database: Database, receiver: AlertReceiver) -> None:
    receiver.status = 404
    revoke(database, [ORG])
    assert tell() == 0
    ((row,),) = fetch(database, "SELECT to_jsonb(told)::text FROM sync.alert_messages told")
    assert SECRET not in row
    assert f"json://127.0.0.1:{receiver.port} #" in row
