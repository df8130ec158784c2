"""Maintain webhook subscriptions once a day, without a run."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

from openfaith_sync.domain.connections.selection import find_unselected
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import Work, WorkChange, WorkMode
from openfaith_sync.engine.webhooks.subscriptions import ensure_subscriptions
from openfaith_sync.sessions.opening import open_shared_subscriptions
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import Plan, load_due, load_now, store_changes
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions

MAX_ORGS, PARALLEL_ORGS = 16, 4
TICK_SECONDS = 12.0
ATTEMPTS = 2
TIMEOUT = timedelta(seconds=TICK_SECONDS)


def update_subscriptions(database: Database, manifest: Manifest, plan: Plan, public_url: str | None) -> str:
    """Subscribe the orgs that are due to the events that the manifest lists, and describe what was done.

    An org whose source refuses is retried later, and delays no other org.
    """
    if public_url is None or not manifest.adapter_file.has_webhooks:
        return ""
    due = load_due(database, plan, WorkMode.SUBSCRIPTIONS, MAX_ORGS)
    if not due:
        return ""
    threads = ThreadPoolExecutor(PARALLEL_ORGS, thread_name_prefix="subscriptions")
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
    return f"updated the subscriptions of {len(changes)} orgs" + (f", {refused} refused" if refused else "")


def _keep(database: Database, manifest: Manifest, work: Work, public_url: str) -> str:
    connection = load_connection(database, work.key.org, manifest.adapter)
    with (
        open_shared_subscriptions(database, manifest, connection, attempts=ATTEMPTS, patience=TIMEOUT) as source,
        open_subscriptions(database, work.key.org, manifest.adapter) as store,
    ):
        report = ensure_subscriptions(
            manifest, source, store, public_url, find_unselected(manifest, connection.only, connection.sensitive)
        )
    refused = ", ".join(sorted(report.refused))
    return f"subscribed, except {refused}" if refused else "subscribed"
