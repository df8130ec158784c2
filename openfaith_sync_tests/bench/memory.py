"""A server process's own memory over thousands of refused pages, and over thousands of passes.

Read from ``/proc``, so it needs Linux and the embedded server: ``RssAnon`` is what the process
allocated itself, without the shared buffers that it has touched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from openfaith_sync.domain.errors import LeaseLost
from openfaith_sync.domain.ids import OrgId, SyncKey
from openfaith_sync.domain.passes.passes import Lease, PageCommit, PassId
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import PostgresStore, open_store
from openfaith_sync_tests.store.making import EMAIL, FULL, PCO, batch, email, rejection

ORG = OrgId("memory")
TIMES = 10_000
WARMED_UP = 500
"""Repetitions before the first reading: until then a backend fills its caches."""
READINGS = 10


@dataclass(frozen=True)
class Measured:
    """The memory of one backend, in order."""

    what: str
    kilobytes: Sequence[int]

    @property
    def growth(self) -> float:
        """Return how much more there was at the end than after the warm-up, as a share."""
        return self.kilobytes[-1] / self.kilobytes[0] - 1


class Backend:
    """One store whose server process is watched."""

    def __init__(self, store: PostgresStore) -> None:
        """Watch this store's connection."""
        self.store = store
        self._pid = store._connection.info.backend_pid

    def read_kilobytes(self) -> int:
        """Return what the server process has allocated itself."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0])

    def repeat(self, what: str, once: Callable[[int], None], times: int) -> Measured:
        """Do something many times, reading the memory in between."""
        kilobytes = []
        for number in range(WARMED_UP + times):
            if number >= WARMED_UP and (number - WARMED_UP) % (times // READINGS) == 0:
                kilobytes.append(self.read_kilobytes())
            once(number)
        return Measured(what, (*kilobytes, self.read_kilobytes()))


def page_of(pass_id: PassId, number: int, *, is_refused: bool) -> PageCommit:
    """Return a page with one record in ten that changes; a refused one also has one that the database rejects."""
    records = [email(f"{place}", f"{number if place == number % 10 else 0}@example.org") for place in range(10)]
    if is_refused:
        values = (*records[0].values[:5], "no such status", *records[0].values[6:])
        records[0] = records[0]._replace(values=values)
    return PageCommit(pass_id, WalkPlace((Slice(offset=1),)), (batch(records, [rejection("set aside")], EMAIL),))


def refuse_pages(backend: Backend, key: SyncKey, times: int) -> list[Measured]:
    """Commit pages that are refused for a record, and for a lost lease."""
    with backend.store.hold_lease(key, "memory") as lease:
        opened = backend.store.open_pass(lease, FULL, WalkPlace())
        lost = Lease(key, lease.token - 1)

        def refuse_record(number: int) -> None:
            backend.store.commit_page(lease, page_of(opened.pass_id, number, is_refused=True))

        def refuse_lease(number: int) -> None:
            try:
                backend.store.commit_page(lost, page_of(opened.pass_id, number, is_refused=False))
            except LeaseLost:
                return
            raise AssertionError("a page was stored under a lease that was lost")

        return [
            backend.repeat("pages refused for a record", refuse_record, times),
            backend.repeat("pages refused for the lease", refuse_lease, times),
        ]


def walk_passes(backend: Backend, key: SyncKey, times: int) -> Measured:
    """Run whole passes of two pages: lease, checkpoint, pages, counts, end."""

    def walk(number: int) -> None:
        with backend.store.hold_lease(key, "memory") as lease:
            backend.store.load_checkpoint(key)
            opened = backend.store.open_pass(lease, FULL, WalkPlace())
            waits = [
                backend.store.begin_commit(lease, page_of(opened.pass_id, number, is_refused=False)) for _ in range(2)
            ]
            for wait in waits:
                wait.result()
            backend.store.count_live(key)
            backend.store.close_pass(lease, opened.pass_id, None, 2)

    return backend.repeat("passes of two pages", walk, times)


def measure(database: Database, times: int = TIMES) -> list[Measured]:
    """Measure each in a session of its own."""
    key = SyncKey(ORG, PCO, EMAIL)
    with open_store(database, ORG) as store:
        refused = refuse_pages(Backend(store), key, times)
    with open_store(database, ORG) as store:
        return [*refused, walk_passes(Backend(store), key, times)]


def show(found: Sequence[Measured], console: Console, times: int = TIMES) -> None:
    """Print one row for each."""
    table = Table(f"memory of a backend over {times:,}", f"MB after {WARMED_UP}", "MB in between", "MB at the end", "+")
    for one in found:
        first, *between, last = (f"{kilobytes / 1024:.1f}" for kilobytes in one.kilobytes)
        table.add_row(one.what, first, " ".join(between), last, f"{one.growth:.1%}")
    console.print(table)
