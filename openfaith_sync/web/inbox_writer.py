"""Stores deliveries so that thousands at once cost few transactions.

A delivery goes to the database at once when a connection is free. While none is, an org's
deliveries gather, and the next free connection stores them together: the more arrive, the less
each costs. Nobody's wait ends before the transaction that holds his events has ended (law 7).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.webhooks.delivery import Delivery, of_another_account
from openfaith_sync.store.inbox.inbox import receive_on
from openfaith_sync.store.inbox.unreadable_events import keep_unreadable_on
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.webhooks.subscriptions import keep_subscribed
from openfaith_sync.web.database_calls import DatabaseCalls

_MOST_TOGETHER = 200
_LOG = logging.getLogger("openfaith_sync.web")


class NotSubscribed(Exception):
    """The org was removed a moment ago; nothing of it is stored any more."""


OnStep = Callable[[str], None]
"""Called with ``read`` before deliveries are stored and with ``stored`` after."""


@dataclass(slots=True)
class _Gathered:
    """Deliveries of one org that are stored together."""

    stored: "asyncio.Future[None]"
    deliveries: list[Delivery] = field(default_factory=list)


class InboxWriter:
    """Puts deliveries into the inbox. Used from one event loop."""

    def __init__(self, database: DatabaseCalls, most_waiting: int, on_step: OnStep | None = None) -> None:
        """Write through these connections. ``on_step`` is the seam of the kill tests."""
        self._database, self._most_waiting = database, most_waiting
        self._on_step = on_step or (lambda _: None)
        self._gathering: dict[tuple[OrgId, AdapterName], _Gathered] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0

    async def store(self, org: OrgId, adapter: AdapterName, delivery: Delivery) -> None:
        """Return once a delivery's events are in the inbox, where each event is once.

        Raises:
            NotSubscribed: The org has no subscriptions any more.
            TransientError: The database is away, or too many wait for it; nothing is promised.
            DefinitionError: The database refuses us.
        """
        if self._waiting >= self._most_waiting:
            raise TransientError("too many deliveries wait for the database")
        key = (org, adapter)
        gathered = self._gathering.get(key)
        if gathered is None or len(gathered.deliveries) >= _MOST_TOGETHER:
            gathered = self._gathering[key] = _Gathered(asyncio.get_running_loop().create_future())
            task = asyncio.create_task(self._write(key, gathered))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        gathered.deliveries.append(delivery)
        self._waiting += 1
        await asyncio.shield(gathered.stored)

    async def _write(self, key: tuple[OrgId, AdapterName], gathered: _Gathered) -> None:
        def write(connection: Connection) -> None:
            self._write_on(connection, key, gathered.deliveries)

        def close() -> None:
            # From here on newcomers gather anew.
            if self._gathering.get(key) is gathered:
                del self._gathering[key]

        try:
            await self._database.run(write, org=key[0], on_turn=close)
        except Exception as error:  # noqa: BLE001  whoever waits raises it
            close()
            gathered.stored.set_exception(error)
            # Those who wait may all have given up.
            gathered.stored.exception()
        else:
            gathered.stored.set_result(None)
        finally:
            self._waiting -= len(gathered.deliveries)

    def _write_on(self, connection: Connection, key: tuple[OrgId, AdapterName], deliveries: list[Delivery]) -> None:
        self._on_step("read")
        events = {event.event_id: event for delivery in deliveries for event in delivery.events}
        parts = {part.event_id: part for delivery in deliveries for part in delivery.unreadable}
        with connection.transaction():
            subscriber = keep_subscribed(connection, *key)
            if subscriber is None:
                raise NotSubscribed
            for event in list(events.values()):
                refused = of_another_account(event, subscriber.account)
                if refused is not None:
                    del events[event.event_id]
                    parts[refused.event_id] = refused
                    _LOG.warning("%s: kept an event apart: %s", key[0], refused.reason)
            receive_on(connection, *key, list(events.values()))
            if parts:
                keep_unreadable_on(connection, *key, list(parts.values()))
        self._on_step("stored")
