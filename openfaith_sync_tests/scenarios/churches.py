"""Many simulated churches that live: things happen in them, and our copies are compared with them."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from openfaith_sync.commands.demo_check import DemoChurch, Row
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import (
    DeliveryFaults,
    Fault,
    RunningSimulator,
    SimulatorSettings,
    running_simulator,
)
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync_tests.laws.rows import RECORDS

PCO = AdapterName("pco")
TROUBLE = DeliveryFaults(
    lost_share=0.1,
    duplicate_share=0.15,
    disorder_seconds=3,
    delay_seconds=(0, 2),
    batch=3,
    early_seconds=4,
    early_share=0.3,
)
NO_WEBHOOKS = Fault(kind="status", status=403, path="/webhooks/v2")
"""The token's user may not make subscriptions."""


@dataclass
class Churches:
    """The churches by org, and what happened in them."""

    manifest: Manifest
    database: Database
    looking: Connection
    """One for all our questions: to ask as people do, by ``run_query``, takes two connections each."""
    simulators: dict[OrgId, RunningSimulator]
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    happened: int = 0

    def happen(self) -> None:
        """Apply one mutation to one of them."""
        org = self.rng.choice(list(self.simulators))
        self.happened += 1
        self.simulators[org].random(1, seed=self.happened)

    def false_tombstones(self) -> list[str]:
        """Return every record that is tombstoned and alive at its source.

        Ids are never used again, so what is alive now was alive when we were asked.
        """
        buried = self._rows(f"SELECT org_id, entity, external_id FROM ({RECORDS}) held WHERE deleted_at IS NOT NULL")
        found: dict[tuple[str, str], set[str]] = {}
        for row in buried:
            found.setdefault((row["org_id"], row["entity"]), set()).add(row["external_id"])
        return [
            f"{org}/{entity}/{external_id}"
            for (org, entity), ids in found.items()
            if entity in self.manifest.entities
            for external_id in sorted(ids & self.simulators[OrgId(org)].truth(entity).keys())
        ]

    def disagreements(self) -> list[str]:
        """Say all in which our rows differ from the truth, whatever the org."""
        said = []
        for org, simulator in self.simulators.items():
            copy = DemoChurch(org, PCO, self._rows)
            for entity in self.manifest.entities.values():
                held, dead = copy.stored(entity), copy.dead_letters(entity.name)
                said += [
                    f"{org}: {line}" for line in copy.disagreements(entity, simulator.truth(entity.name), held, dead)
                ]
        return said

    def tombstones(self) -> int:
        return int(self._rows(f"SELECT count(*) AS n FROM ({RECORDS}) held WHERE deleted_at IS NOT NULL")[0]["n"])

    def ask_for(self, mode: str) -> None:
        """Make work of a mode due now, as a person does who cannot wait for the night."""
        with self.database.connect_fleet() as connection:
            connection.execute("UPDATE sync.work SET not_before = now() WHERE mode = %s AND run_key IS NULL", [mode])
            # A night is over within a minute here.
            connection.execute("UPDATE sync.checkpoints SET compared_at = NULL")

    def _rows(self, statement: str) -> list[Row]:
        found = self.looking.execute(statement.encode())
        columns = [column.name for column in found.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


@contextmanager
def living_churches(database: Database, manifest: Manifest, count: int, people: int) -> Iterator[Churches]:
    """Run so many churches, each of its own seed; every second one has no webhooks."""
    with ExitStack() as stack:
        simulators: dict[OrgId, RunningSimulator] = {}
        for number in range(count):
            has_webhooks = number % 2 == 0
            told: dict[str, Any] = {"delivery_faults": TROUBLE, "webhook_retry_scale": 0.05} if has_webhooks else {}
            faults = () if has_webhooks else (NO_WEBHOOKS,)
            settings = SimulatorSettings(people=people, seed=number + 1, rate=None, faults=faults, **told)
            simulators[OrgId(f"church-{number:02}")] = stack.enter_context(running_simulator(settings, manifest))
        yield Churches(manifest, database, stack.enter_context(database.connect_fleet()), simulators)


@contextmanager
def calm_churches(database: Database, manifest: Manifest, count: int, people: int) -> Iterator[Churches]:
    """Run so many churches whose webhooks all arrive, once and at once."""
    with ExitStack() as stack:
        simulators = {
            OrgId(f"church-{number:02}"): stack.enter_context(
                running_simulator(SimulatorSettings(people=people, seed=number + 1, rate=None), manifest)
            )
            for number in range(count)
        }
        yield Churches(manifest, database, stack.enter_context(database.connect_fleet()), simulators)
