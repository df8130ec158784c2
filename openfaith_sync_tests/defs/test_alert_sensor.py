"""The daemon tells people of alerts."""

from collections.abc import Iterator

import dagster as dg
import pytest

from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.sensors.alert_sensor import build_alert_sensor
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.alert_receiver import AlertReceiver, alert_receiver
from openfaith_sync_tests.store.making import ORG, run
from openfaith_sync_tests.store.present_alerts import revoke


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with alert_receiver() as running:
        yield running


def tick(database: Database, urls: list[str]) -> str:
    resource = DatabaseResource(
        home="/nonexistent", database_url=database.libpq_url, secret_keys=",".join(database.keys.given)
    )
    with dg.build_sensor_context(resources={"database": resource}) as context:
        return str(build_alert_sensor(urls).evaluate_tick(context).skip_message)


def test_a_tick_sends_what_is_due_and_says_so(database: Database, receiver: AlertReceiver) -> None:
    revoke(database, [ORG])
    assert tick(database, []) == "nobody is told: OPENFAITH_ALERT_URLS is not set"
    run(database, "UPDATE sync.alerts SET first_seen_at = first_seen_at - interval '1 minute'")
    assert tick(database, [receiver.url]) == "sent messages to 1 of 1 targets"
    assert receiver.titles == [f"CRITICAL: pco access refused for {ORG}"]
    assert tick(database, [receiver.url]) == "nothing new to tell"
