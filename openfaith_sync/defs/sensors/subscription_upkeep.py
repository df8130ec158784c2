"""Webhook subscriptions, looked after once a day: work of the plan that needs no run."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import Work, WorkChange, WorkMode
from openfaith_sync.engine.webhooks.subscriptions import ensure_subscriptions
from openfaith_sync.sessions.opening import open_shared_subscriptions
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import Plan, load_due, load_now, store_changes
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions

MOST_ORGS, SIDE_BY_SIDE = 16, 4
TICK_SECONDS = 12.0
ATTEMPTS = 2
PATIENCE = timedelta(seconds=TICK_SECONDS)


def keep_subscriptions(database: Database, manifest: Manifest, plan: Plan, public_url: str | None) -> str:
    """Have the sources of the orgs that are due announce to us what the manifest wants; says what was done.

    An org whose source refuses is tried again later, and keeps no other one waiting.
    """
    if public_url is None or not manifest.adapter_file.has_webhooks:
        return ""
    due = load_due(database, plan, WorkMode.SUBSCRIPTIONS, MOST_ORGS)
    if not due:
        return ""
    threads = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="subscriptions")
    futures = {threads.submit(_keep, database, manifest, work, public_url): work for work in due}
    wait(futures, timeout=TICK_SECONDS)
    threads.shutdown(wait=False, cancel_futures=True)
    now, changes = load_now(database), []
    for future, work in futures.items():
        if not future.done() or future.cancelled():
            continue
        error = future.exception()
        if isinstance(error, SyncError):
            changes.append(WorkChange.failed(work, now, str(error)))
        elif error is not None:
            raise error
        else:
            changes.append(WorkChange.done(work, now, future.result()))
    store_changes(database, changes)
    refused = sum(change.attempts > 0 for change in changes)
    return f"looked after the subscriptions of {len(changes)} orgs" + (f", {refused} refused" if refused else "")


def _keep(database: Database, manifest: Manifest, work: Work, public_url: str) -> str:
    connection = load_connection(database, work.key.org, manifest.adapter)
    with (
        open_shared_subscriptions(database, manifest, connection, attempts=ATTEMPTS, patience=PATIENCE) as source,
        open_subscriptions(database, work.key.org, manifest.adapter) as store,
    ):
        report = ensure_subscriptions(manifest, source, store, public_url)
    lacking = ", ".join(sorted(report.refused))
    return f"subscribed, but for {lacking}" if lacking else "subscribed"
