"""Tell people of alerts, from the daemon."""

from collections.abc import Sequence

import dagster as dg

from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.domain.connections.deployment_settings import ALERT_URLS
from openfaith_sync.sessions.alerting import send_alerts

EVERY_SECONDS = 20


def build_alert_sensor(urls: Sequence[str]) -> dg.SensorDefinition:
    """Return the sensor that sends alerts of all adapters to these Apprise URLs."""

    def evaluate(database: DatabaseResource) -> dg.SkipReason:
        if not urls:
            return dg.SkipReason(f"nobody is told: {ALERT_URLS} is not set")
        due = send_alerts(database.open(), urls)
        return dg.SkipReason(f"sent messages to {due} of {len(urls)} targets" if due else "nothing new")

    return dg.SensorDefinition(
        name="alerts",
        evaluation_fn=evaluate,
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells people of each alert once, through Apprise, and once more when it is over.",
    )
