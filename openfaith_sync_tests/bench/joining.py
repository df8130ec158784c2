"""Finding people by their source ids and joining e-mails to them, right after a first sync of both."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from openfaith_sync.domain.ids import EntityName, OrgId, SyncKey, derive_entity_id
from openfaith_sync.domain.records.record import Record
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import EMAIL, PCO, PERSON, batch, email, fetch, person, walking

RECORDS, PAGE, ROUNDS, FINDS = 20_000, 100, 5, 1_000
FIND = """
SELECT count(*) FROM unnest(%s::text[]) AS wanted (external_id)
CROSS JOIN LATERAL (
  SELECT id FROM openfaith.people held
  WHERE held.org_id = %s AND held.external_id = wanted.external_id AND held.type = 'person' OFFSET 0) found
"""
JOIN = """
SELECT count(*) FROM openfaith.emails held JOIN openfaith.people person
  ON person.org_id = held.org_id AND person.id = held.person_id
WHERE held.org_id = %s AND held.deleted_at IS NULL AND person.deleted_at IS NULL
"""


@dataclass(frozen=True)
class Measured:
    """Seconds of one round."""

    commits: float
    ends: float
    find: float
    join: float


def measure(database: Database) -> list[Measured]:
    """Sync an org of its own in each round; the tables hold those of the rounds before."""
    return [run_round(database, OrgId(f"joining-{number}")) for number in range(ROUNDS)]


def run_round(database: Database, org: OrgId) -> Measured:
    """Store an org's people and their e-mails, end both passes, find some people and join all e-mails."""
    people = store(database, org, PERSON, lambda number: person(number, org=org))
    emails = store(database, org, EMAIL, lambda number: email_of(number, org))
    began = time.perf_counter()
    wanted = [str(number) for number in range(0, RECORDS, RECORDS // FINDS)]
    assert fetch(database, FIND, wanted, org) == [(FINDS,)]
    found = time.perf_counter()
    assert fetch(database, JOIN, org) == [(RECORDS,)]
    joined = time.perf_counter()
    return Measured(people[0] + emails[0], people[1] + emails[1], found - began, joined - found)


def email_of(number: str, org: OrgId) -> Record:
    """Return the e-mail address of the person with the same number."""
    made = email(number, org=org)
    return made._replace(values=(derive_entity_id(org, PCO, PERSON, number), *made.values[1:]))


def store(
    database: Database, org: OrgId, entity: EntityName, make_record: Callable[[str], Record]
) -> tuple[float, float]:
    """Return the seconds that the commits of one entity took, and those of the end of its pass."""
    pages = [
        batch([make_record(str(first + row)) for row in range(PAGE)], entity=entity)
        for first in range(0, RECORDS, PAGE)
    ]
    with walking(database, SyncKey(org, PCO, entity)) as walk:
        began = time.perf_counter()
        for page in pages:
            walk.commit(page)
        stored = time.perf_counter()
        walk.close()
        return stored - began, time.perf_counter() - stored


def show(found: Sequence[Measured], console: Console) -> None:
    """Print the medians of the rounds, and the slowest find and join."""
    names = ("commits", "ends", "find", "join")
    table = Table(
        f"{RECORDS:,} people and e-mails each", "commits s", "ends of passes s", f"find {FINDS:,} people s", "join s"
    )
    for label, choose in ((f"median of {len(found)}", median), ("slowest", max)):
        table.add_row(label, *(f"{choose([getattr(one, name) for one in found]):.3f}" for name in names))
    console.print(table)
