"""Stores deliveries so that thousands at once cost few transactions.

A delivery goes to the database immediately if a connection is free. Otherwise an org's deliveries
accumulate, and the next free connection stores them together: the more arrive, the less each
costs. No request is acknowledged before the transaction that holds its events has ended (law 7).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.webhooks.delivery import Delivery, of_another_account
from openfaith_sync.store.inbox.erased_events import without_erased
from openfaith_sync.store.inbox.inbox import receive_on
from openfaith_sync.store.inbox.unreadable_events import keep_unreadable_on
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.webhooks.subscriptions import keep_subscribed
from openfaith_sync.web.database_calls import DatabaseCalls

_MAX_BATCH = 200
_LOG = logging.getLogger("openfaith_sync.web")


class NotSubscribed(Exception):
    """The org was removed a moment ago, so its deliveries are no longer stored."""


OnStep = Callable[[str], None]
"""Called with ``read`` before deliveries are stored and with ``stored`` after."""


@dataclass(slots=True)
class _Batch:
    """Deliveries of one org that are stored together."""

    stored: "asyncio.Future[None]"
    deliveries: list[Delivery] = field(default_factory=list)


class InboxWriter:
    """Writes deliveries to the inbox. Used from one event loop."""

    def __init__(self, database: DatabaseCalls, most_waiting: int, on_step: OnStep | None = None) -> None:
        """Write through these connections; ``on_step`` lets tests kill the process at a step."""
        self._database, self._most_waiting = database, most_waiting
        self._on_step = on_step or (lambda _: None)
        self._batches: dict[tuple[OrgId, AdapterName], _Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0

    async def store(self, org: OrgId, adapter: AdapterName, delivery: Delivery) -> None:
        """Store a delivery's events in the inbox, each event once.

        Raises:
            NotSubscribed: The org no longer has subscriptions.
            TransientError: The database is unreachable, or too many deliveries are waiting; nothing is acknowledged.
            DefinitionError: The database rejects our statements or credentials.
        """
        if self._waiting >= self._most_waiting:
            raise TransientError("too many deliveries are waiting for the database")
        key = (org, adapter)
        batch = self._batches.get(key)
        if batch is None or len(batch.deliveries) >= _MAX_BATCH:
            batch = self._batches[key] = _Batch(asyncio.get_running_loop().create_future())
            task = asyncio.create_task(self._write(key, batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        batch.deliveries.append(delivery)
        self._waiting += 1
        await asyncio.shield(batch.stored)

    async def _write(self, key: tuple[OrgId, AdapterName], batch: _Batch) -> None:
        def write(connection: Connection) -> None:
            self._write_on(connection, key, batch.deliveries)

        def close() -> None:
            # Later deliveries start a new batch.
            if self._batches.get(key) is batch:
                del self._batches[key]

        try:
            await self._database.run(write, org=key[0], on_start=close)
        except Exception as error:  # noqa: BLE001  each waiting request raises it
            close()
            batch.stored.set_exception(error)
            # All waiting requests may have been cancelled.
            batch.stored.exception()
        else:
            batch.stored.set_result(None)
        finally:
            self._waiting -= len(batch.deliveries)

    def _write_on(self, connection: Connection, key: tuple[OrgId, AdapterName], deliveries: list[Delivery]) -> None:
        self._on_step("read")
        events = {event.event_id: event for delivery in deliveries for event in delivery.events}
        unreadable = {item.event_id: item for delivery in deliveries for item in delivery.unreadable}
        with connection.transaction():
            subscriber = keep_subscribed(connection, *key)
            if subscriber is None:
                raise NotSubscribed
            for event in list(events.values()):
                other_account = of_another_account(event, subscriber.account)
                if other_account is not None:
                    del events[event.event_id]
                    unreadable[other_account.event_id] = other_account
                    _LOG.warning("%s: set an event aside: %s", key[0], other_account.reason)
            received = without_erased(connection, self._database.keys, *key, list(events.values()))
            receive_on(connection, *key, received)
            if unreadable:
                keep_unreadable_on(connection, *key, list(unreadable.values()))
        self._on_step("stored")
