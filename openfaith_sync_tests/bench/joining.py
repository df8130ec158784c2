"""Joining people to their source ids right after a first sync, and what the index for it costs the page commit.

Rounds with and without the index take turns, so that what else runs on the machine slows both.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from openfaith_sync.domain.ids import OrgId, SyncKey
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import EMAIL, PCO, batch, email, fetch, run, walking

RECORDS, PAGE, ROUNDS = 20_000, 100, 5
INDEX = "CREATE INDEX external_links_entity_id_idx ON sync.external_links (entity_id)"
JOIN = """
SELECT count(*) FROM openfaith.emails held JOIN sync.external_links link ON link.entity_id = held.id
WHERE held.org_id = %s
"""


@dataclass(frozen=True)
class Measured:
    """Seconds of one round."""

    is_indexed: bool
    commits: float
    end: float
    join: float


def measure(database: Database) -> list[Measured]:
    """Sync an org of its own in each round; the tables hold those of the rounds before."""
    return [run_round(database, number, is_indexed=number % 2 == 0) for number in range(2 * ROUNDS)]


def run_round(database: Database, number: int, *, is_indexed: bool) -> Measured:
    """Store an org, end its pass and join it."""
    run(database, "DROP INDEX IF EXISTS sync.external_links_entity_id_idx")
    if is_indexed:
        run(database, INDEX)
    org = OrgId(f"joining-{number}")
    pages = [batch([email(str(place + row), org=org) for row in range(PAGE)]) for place in range(0, RECORDS, PAGE)]
    with walking(database, SyncKey(org, PCO, EMAIL)) as walk:
        began = time.perf_counter()
        for page in pages:
            walk.commit(page)
        stored = time.perf_counter()
        walk.close()
        ended = time.perf_counter()
    assert fetch(database, JOIN, org) == [(RECORDS,)]
    return Measured(is_indexed, stored - began, ended - stored, time.perf_counter() - ended)


def show(found: Sequence[Measured], console: Console) -> None:
    """Print the medians of both kinds of rounds, and the slowest join."""
    table = Table(
        f"{RECORDS:,} records, medians of {ROUNDS}", "commits s", "end of the pass s", "join s", "slowest join s"
    )
    for is_indexed in (True, False):
        rounds = [one for one in found if one.is_indexed == is_indexed]
        seconds = [median(getattr(one, name) for one in rounds) for name in ("commits", "end", "join")]
        figures = (f"{value:.2f}" for value in (*seconds, max(one.join for one in rounds)))
        table.add_row("with the index on entity_id" if is_indexed else "without it", *figures)
    console.print(table)
