"""Tell people of alerts: write what is due, and send it."""

from collections.abc import Sequence

from openfaith_sync.adapters.alert_targets.apprise_sender import AppriseSender
from openfaith_sync.domain.alerts.targets import build_target
from openfaith_sync.engine.alerts.delivery import OnStep, deliver
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.alert_messages import PostgresOutbox, write_due_messages

PATIENCE_SECONDS = 15.0
"""How long a caller waits for slow targets; what is being sent then ends by itself, and its result still counts."""


def send_alerts(
    database: Database,
    urls: Sequence[str],
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    on_step: OnStep | None = None,
) -> int:
    """Send every target what it has not been told yet, and return how many targets there was something for."""
    targets = [build_target(url) for url in urls]
    if not targets:
        return 0
    due = write_due_messages(database, targets)
    if on_step is not None:
        on_step("written")
    deliver(PostgresOutbox(database), AppriseSender(), due, patience_seconds, on_step)
    return len(due)
