"""How long ``status`` takes over 5,000 orgs with ten entities each, as a whole process and by its parts.

The rows are made by SQL: one org in 50 has dead letters, one in 100 a hold, one in 200 must reconnect, one in 100 is
behind and one in 100 is syncing; every entity has had 20 passes. Row counts decide the time, not the records.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from rich.console import Console
from rich.table import Table

from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.store.admin.org_facts import list_org_facts
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync_tests.ten_entities import MANIFESTS

ORGS, ENTITIES, PASSES, ROUNDS = 5_000, 10, 20, 5
PROGRAM = Path(sys.executable).with_name("openfaith-sync")
COMMANDS = ((), ("--json",), ("--problems",), ("--check",), ("org-7",))

_KEYS = """
SELECT 'org-' || org AS org_id, org, 'pco' AS adapter, 'entity_' || part AS entity, part
FROM generate_series(1, %(orgs)s) AS org CROSS JOIN generate_series(1, %(entities)s) AS part
"""
STATEMENTS = (
    """INSERT INTO sync.connections
         (org_id, adapter, base_url, auth_method, secret, status, status_reason, status_since)
       SELECT 'org-' || org, 'pco', 'https://example.org', 'oauth2', '',
              CASE WHEN org % 200 = 3 THEN 'reconnect_needed' ELSE 'active' END,
              CASE WHEN org % 200 = 3 THEN 'the token was revoked' END, now() - interval '90 days'
       FROM generate_series(1, %(orgs)s) AS org""",
    f"""INSERT INTO sync.passes (org_id, adapter, entity, mode, trigger, status, manifest_version, started_at, ended_at,
                                 created, unchanged, pages, requests)
        SELECT org_id, adapter, entity, 'delta', 'sensor', 'complete', 'v1', now() - walk * interval '1 hour',
               now() - walk * interval '1 hour', walk % 2, 10, 1, 1
        FROM ({_KEYS}) key CROSS JOIN generate_series(1, %(passes)s) AS walk""",
    f"""INSERT INTO sync.checkpoints (org_id, adapter, entity, watermark, completed_at, checked_at, changed_at,
                                      source_count, stored_count, set_aside_count, counted_at)
        SELECT org_id, adapter, entity, now(), now() - interval '1 hour',
               now() - CASE WHEN org % 100 = 5 THEN interval '9 hours' ELSE interval '5 minutes' END,
               now() - interval '1 hour', 1000, 1000 - (org % 250 = 4)::int, 0, now() FROM ({_KEYS}) key""",
    f"""INSERT INTO sync.work (org_id, adapter, entity, mode, not_before, reason)
        SELECT org_id, adapter, entity, 'delta',
               now() + CASE WHEN org % 100 = 5 THEN -interval '9 hours' ELSE interval '10 minutes' END, 'no changes'
        FROM ({_KEYS}) key""",
    """INSERT INTO sync.work (org_id, adapter, entity, mode, not_before, reason)
       SELECT 'org-' || org, 'pco', '*', mode, CASE mode WHEN 'reconciliation' THEN now() + interval '9 hours'
              WHEN 'records' THEN now() WHEN 'subscriptions' THEN now() + interval '9 hours' END, 'done'
       FROM generate_series(1, %(orgs)s) AS org,
            unnest(ARRAY['full', 'reconciliation', 'records', 'subscriptions']) AS mode""",
    f"""INSERT INTO sync.dead_letters (org_id, adapter, entity, external_id, raw, field, value_type, reason,
                                       manifest_version)
        SELECT org_id, adapter, entity, letter::text, '{{}}', 'birthdate', 'string', 'expected a date', 'v1'
        FROM ({_KEYS}) key, generate_series(1, 20) AS letter WHERE org % 50 = 1 AND part = 1""",
    f"""INSERT INTO sync.holds (org_id, adapter, entity, pass_id, missing, live, reason)
        SELECT org_id, adapter, entity, 1, 40, 100, '40 of 100 are missing'
        FROM ({_KEYS}) key WHERE org % 100 = 2 AND part = 2""",
    f"""INSERT INTO sync.passes (org_id, adapter, entity, mode, trigger, manifest_version, started_at, created, place)
        SELECT org_id, adapter, entity, 'full', 'sensor', 'v1', now() - interval '1 minute', 4200,
               '{{"slices": [{{"remaining": 5600}}], "resumed_at": null}}'
        FROM ({_KEYS}) key WHERE org % 100 = 6 AND part = 1""",
    "ANALYZE",
)


@dataclass(frozen=True)
class Timing:
    """The median times of one part, in seconds."""

    name: str
    wall: float
    cpu: float
    """Of our own process; the server's is in the wall time."""


def measure(database_url: str, home: Path) -> list[Timing]:
    """Fill a database with a fleet and time each part of ``status`` on it."""
    with open_database(Settings(home, MANIFESTS, database_url, ())) as database:
        fill(database)
        timings = [
            _time("list_problems", lambda: list_problems(database)),
            _time("list_org_facts", lambda: list_org_facts(database)),
        ]
        return [*timings, *(_time_process(database, home, words) for words in COMMANDS)]


def fill(database: Database, orgs: int = ORGS) -> None:
    """Make the rows of so many orgs."""
    sizes = {"orgs": orgs, "entities": ENTITIES, "passes": PASSES}
    with database.connect_fleet() as session:
        for statement in STATEMENTS:
            session.execute(statement.replace("%", "%%").replace("%%(", "%(").encode(), sizes)


def show(timings: list[Timing], console: Console) -> None:
    """Print the times."""
    table = Table("part", "seconds", "of these our CPU", title=f"{ORGS:,} orgs x {ENTITIES} entities")
    for timing in timings:
        table.add_row(timing.name, f"{timing.wall:.2f}", f"{timing.cpu:.2f}")
    console.print(table)


def _time(name: str, part: Callable[[], object]) -> Timing:
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = perf_counter(), process_time()
        part()
        walls.append(perf_counter() - wall)
        cpus.append(process_time() - cpu)
    return Timing(name, median(walls), median(cpus))


def _time_process(database: Database, home: Path, words: tuple[str, ...]) -> Timing:
    environment = {**os.environ, "OPENFAITH_DATABASE_URL": database.libpq_url, "OPENFAITH_HOME": str(home)}
    environment |= {"OPENFAITH_MANIFESTS": str(MANIFESTS)}
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = perf_counter(), _children()
        # With --check it says by its status that something is wrong.
        subprocess.run([PROGRAM, "status", *words], check=False, env=environment, capture_output=True)
        walls.append(perf_counter() - wall)
        cpus.append(_children() - cpu)
    return Timing(" ".join(("openfaith-sync status", *words)), median(walls), median(cpus))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
