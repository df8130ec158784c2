"""Tell people what is wrong: find it, write what is due, and send it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from openfaith_sync.adapters.alert_targets.apprise_sender import AppriseSender
from openfaith_sync.domain.alerts.announcing import SETTLES_AFTER
from openfaith_sync.domain.alerts.targets import build_target
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.engine.alerts.delivery import OnStep, deliver
from openfaith_sync.store.admin.alert_detection import CALM_FOR, update_alerts
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.alert_messages import PostgresOutbox, write_due_messages

PATIENCE_SECONDS = 15.0
"""How long a caller waits for slow targets; what is being sent then ends by itself, and its result still counts."""


def watch_alerts(
    database: Database,
    urls: Sequence[str],
    *,
    org: OrgId | None = None,
    settles_after: timedelta = SETTLES_AFTER,
    calm_for: timedelta = CALM_FOR,
    patience_seconds: float = PATIENCE_SECONDS,
    on_step: OnStep | None = None,
) -> int:
    """Send every target what it has not been told yet, and return how many targets there was something for.

    With ``org`` only that org's problems are compared with the open alerts.
    """
    update_alerts(database, org, calm_for)
    done = on_step or (lambda _: None)
    done("compared")
    targets = [build_target(url) for url in urls]
    due = write_due_messages(database, targets, settles_after) if targets else []
    done("written")
    deliver(PostgresOutbox(database), AppriseSender(), due, patience_seconds, done)
    return len(due)


@contextmanager
def telling_afterwards(database: Database, urls: Sequence[str], org: OrgId) -> Iterator[None]:
    """Tell what is wrong with an org once the block has ended, however it did: no daemon may be running."""
    try:
        yield
    finally:
        if urls:
            # What was found is told now or never: the next sync may be a day away.
            with suppress(SyncError):
                watch_alerts(database, urls, org=org, settles_after=timedelta(), calm_for=timedelta())
