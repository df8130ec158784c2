"""While all connections are busy an org's deliveries gather, and nobody waits for less than his own."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.webhooks.delivery import Delivery
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.web.inbox_writer import InboxWriter

PCO = AdapterName("pco")
ONE, OTHER = OrgId("one"), OrgId("other")


class OneConnection:
    """Stands for the pool: a call at a time, each when it is let go, on a connection that keeps what it is asked."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(0)
        self.turn = asyncio.Lock()
        self.stored: list[tuple[str, list[str]]] = []
        self.fails = False

    async def run(self, call: Callable[[object], None], org: str, on_start: Callable[[], None]) -> None:
        async with self.turn:
            on_start()
            await self.gate.acquire()
            if self.fails:
                raise TransientError("away")
            call(self)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def execute(self, statement: str | bytes, told: Any, **more: Any) -> "OneConnection":
        # Nothing was erased.
        self.row = None if "erasure" in str(statement) else (True,)
        if isinstance(told, dict) and "ids" in told:
            self.stored.append((told["org"], told["ids"]))
        return self

    def fetchone(self) -> tuple[bool] | None:
        return self.row

    keys = None

    rowcount = 1


def delivery(event_id: str) -> Delivery:
    return Delivery(
        [InboxEvent(event_id, "name", EntityName("email"), ExternalId("1"), EventAction.UPDATED, payload={})]
    )


def test_what_arrives_while_the_connection_is_busy_is_stored_together_by_org() -> None:
    async def act() -> OneConnection:
        pool = OneConnection()
        writer = InboxWriter(pool, 100)  # type: ignore[arg-type]  # it stands for the connection too
        first = asyncio.create_task(writer.store(ONE, PCO, delivery("a")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [asyncio.create_task(writer.store(ONE, PCO, delivery(name))) for name in ("b", "c", "b")]
        strangers = asyncio.create_task(writer.store(OTHER, PCO, delivery("a")))
        pool.gate.release()
        await first
        assert not any(task.done() for task in [*others, strangers])
        pool.gate.release()
        await asyncio.gather(*others)
        assert not strangers.done()
        pool.gate.release()
        await strangers
        return pool

    assert asyncio.run(act()).stored == [("one", ["a"]), ("one", ["b", "c"]), ("other", ["a"])]


def test_a_failure_is_told_to_all_who_waited_for_it_and_to_nobody_after() -> None:
    async def act() -> list[object]:
        pool = OneConnection()
        writer = InboxWriter(pool, 100)  # type: ignore[arg-type]  # it stands for the connection too
        pool.fails = True
        waiting = [asyncio.create_task(writer.store(ONE, PCO, delivery(name))) for name in ("a", "b")]
        await asyncio.sleep(0)
        pool.gate.release()
        told: list[object] = list(await asyncio.gather(*waiting, return_exceptions=True))
        pool.fails = False
        pool.gate.release()
        await writer.store(ONE, PCO, delivery("c"))
        return told

    first, second = asyncio.run(act())
    assert isinstance(first, TransientError)
    assert isinstance(second, TransientError)


def test_no_more_wait_than_memory_bears() -> None:
    async def act() -> None:
        pool = OneConnection()
        writer = InboxWriter(pool, 2)  # type: ignore[arg-type]  # it stands for the connection too
        waiting = [asyncio.create_task(writer.store(ONE, PCO, delivery(name))) for name in ("a", "b")]
        await asyncio.sleep(0)
        with pytest.raises(TransientError, match="too many"):
            await writer.store(ONE, PCO, delivery("c"))
        pool.gate.release()
        await asyncio.gather(*waiting)
        pool.gate.release()
        await writer.store(ONE, PCO, delivery("c"))

    asyncio.run(act())
