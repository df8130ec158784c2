"""Tell people of alerts, from the daemon."""

from collections.abc import Sequence

import dagster as dg

from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.domain.connections.deployment_settings import ALERT_URLS
from openfaith_sync.sessions.alerting import watch_alerts

EVERY_SECONDS = 10


def build_alert_sensor(urls: Sequence[str]) -> dg.SensorDefinition:
    """Return the sensor that tells these Apprise URLs what is wrong with orgs of any adapter."""

    def evaluate(database: DatabaseResource) -> dg.SkipReason:
        due = watch_alerts(database.open(), urls)
        if not urls:
            return dg.SkipReason(f"nobody is told: {ALERT_URLS} is not set")
        return dg.SkipReason(f"sent messages to {due} of {len(urls)} targets" if due else "nothing new to tell")

    return dg.SensorDefinition(
        name="alerts",
        evaluation_fn=evaluate,
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Finds what needs a person, and tells it by Apprise: each cause once, and once when it is over.",
    )
