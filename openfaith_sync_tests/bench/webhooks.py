"""The receiver under load: deliveries at a steady rate, then 900 at one moment, with a real PostgreSQL.

Sender, receiver and database share this machine. Each delivery comes on a connection of its own,
as the source's do, and is timed from opening it to the last byte of the answer.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from rich.console import Console
from rich.table import Table

from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync_tests.ten_entities import MANIFESTS
from openfaith_sync_tests.web.flood import Answer, flood, request_bytes
from openfaith_sync_tests.web.making import ORG, body, headers, part, subscribe
from openfaith_sync_tests.web.receiver import running_receiver

SECONDS = 20
RATES = (25, 100, 200)
AT_ONCE = 900
# Recorded deliveries are 3.7 KiB.
PAD = "x" * 3200


@dataclass(frozen=True)
class Measured:
    label: str
    answers: Sequence[Answer]
    seconds: float
    stored: int


def measure(database_url: str, home: Path) -> list[Measured]:
    database = open_database(Settings(home, MANIFESTS, database_url, (Fernet.generate_key().decode(),)))
    subscribe(database)
    path = f"/webhooks/pco/{ORG}"
    found = []
    with running_receiver(database) as receiver:
        for rate in RATES:
            contents = [body(part(f"{rate}-{number}", pad=PAD)) for number in range(rate * SECONDS)]
            requests = [request_bytes(path, content, headers(content)) for content in contents]
            before, began = count(database), time.perf_counter()
            answers = asyncio.run(steady(receiver.port, requests, rate))
            seconds = time.perf_counter() - began
            found.append(Measured(f"{rate} a second", answers, seconds, count(database) - before))
        for again in range(3):
            contents = [body(part(f"flood-{again}-{number}", pad=PAD)) for number in range(AT_ONCE)]
            before, began = count(database), time.perf_counter()
            answers = flood(receiver.port, path, [(content, headers(content)) for content in contents])
            found.append(Measured(f"{AT_ONCE} at once", answers, time.perf_counter() - began, count(database) - before))
    return found


async def steady(port: int, requests: Sequence[bytes], rate: int) -> list[Answer]:
    began = time.perf_counter()

    async def send(number: int, request: bytes) -> Answer:
        await asyncio.sleep(began + number / rate - time.perf_counter())
        sent = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return int(answer[9:12] or 0), time.perf_counter() - sent

    return list(await asyncio.gather(*(send(number, request) for number, request in enumerate(requests))))


def count(database: Database) -> int:
    with database.connect_fleet() as connection:
        row = connection.execute("SELECT count(*) FROM sync.webhook_events").fetchone()
    assert row
    return int(row[0])


def show(measured: Sequence[Measured], console: Console) -> None:
    table = Table("webhooks", "sent", "acknowledged", "stored", "p50 ms", "p99 ms", "slowest ms", "seconds")
    for found in measured:
        waits = sorted(seconds * 1000 for _, seconds in found.answers)
        cuts = statistics.quantiles(waits, n=100)
        acknowledged = sum(status == 200 for status, _ in found.answers)
        figures = (cuts[49], cuts[98], waits[-1])
        table.add_row(
            found.label,
            f"{len(found.answers):,}",
            f"{acknowledged:,}",
            f"{found.stored:,}",
            *(f"{figure:.1f}" for figure in figures),
            f"{found.seconds:.2f}",
        )
    console.print(table)
