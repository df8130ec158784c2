"""Giving is right to the cent after gifts, splits, refunds, voids and moves, however often a sync is interrupted."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import EntityName, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.giving.differences import check_differences
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.synced_church import GRACE
from openfaith_sync_tests.store.making import fetch
from openfaith_sync_tests.ten_entities import SHIPPED

CENTRAL = ZoneInfo("America/Chicago")
PEOPLE = 25
CHANGES = 30
GIFTS = EntityName("donation")
Totals = dict[tuple[str, date], tuple[int, int]]


class Interrupted(BaseException):
    """The sync stops here, as if its process had been killed: nothing handles this."""


class Church:
    """A simulated church whose giving is synced, and what interrupts it."""

    def __init__(self, database: Database, manifest: Manifest, simulator: RunningSimulator) -> None:
        self.database, self.manifest, self.simulator = database, manifest, simulator
        self.entities = [name for name in manifest.graph.entities if manifest.entities[name].module == "giving"]
        self.interruptions = 0

    def sync(self, mode: SyncMode, interrupt: Callable[[], bool] = lambda: False) -> None:
        """Sync all of giving, in order; what is interrupted goes on in another session."""
        for entity in self.entities:
            while not self._run(entity, mode, interrupt):
                self.interruptions += 1

    def _run(self, entity: EntityName, mode: SyncMode, interrupt: Callable[[], bool]) -> bool:
        def on_step(_step: str) -> None:
            if interrupt():
                raise Interrupted

        connection = Connection(GRACE, self.manifest.adapter, self.simulator.base_url, BasicCredentials("demo", "demo"))
        try:
            with (
                open_store(self.database, GRACE, on_step) as store,
                open_source(self.manifest, connection, attempts=1) as source,
            ):
                run_entity(Session(self.manifest, source, store, GRACE), entity, mode)
        except Interrupted:
            return False
        return True

    def truth(self, entity: str) -> dict[str, Any]:
        return self.simulator.truth(entity)

    def expected(self) -> Totals:
        """Return gross and refunds by fund and month, from what the source has."""
        gifts, parts = self.truth("donation"), self.truth("designation")
        sums: dict[tuple[str, date], list[int]] = defaultdict(lambda: [0, 0])

        def key(part: Any) -> tuple[str, date] | None:
            gift = gifts[part.relationships["donation"]]
            if gift.attributes["payment_status"] != "succeeded":
                return None
            received = datetime.fromisoformat(gift.attributes["received_at"]).astimezone(CENTRAL)
            return part.relationships["fund"], date(received.year, received.month, 1)

        for part in parts.values():
            if (place := key(part)) is not None:
                sums[place][0] += part.attributes["amount_cents"]
        for piece in self.truth("designation_refund").values():
            if (place := key(parts[piece.relationships["designation"]])) is not None:
                sums[place][1] += piece.attributes["amount_cents"]
        return {place: (gross, refund) for place, (gross, refund) in sums.items()}

    def stored(self) -> Totals:
        rows = fetch(
            self.database,
            "SELECT fund.external_id, held.month, held.gross_cents, held.refund_cents "
            "FROM openfaith_live.fund_months held "
            "JOIN openfaith.funds fund ON (fund.org_id, fund.id) = (held.org_id, held.fund_id) "
            "WHERE held.gross_cents <> 0 OR held.refund_cents <> 0",
        )
        return {(fund, month): (gross, refund) for fund, month, gross, refund in rows}


@pytest.fixture
def church(database: Database) -> Iterator[Church]:
    manifest = read_manifest(SHIPPED, "pco")
    ensure_tables(database, manifest)
    settings = SimulatorSettings(people=PEOPLE, rate=parse_rate("1000000/20"))
    with running_simulator(settings, manifest) as simulator:
        yield Church(database, manifest, simulator)


def live(church: Church, chance: random.Random) -> None:
    """Do one random thing that a treasurer does."""
    gifts, funds = church.truth("donation"), sorted(church.truth("fund"), key=int)
    batches = sorted(church.truth("batch"), key=int)
    refunded = {refund.relationships["donation"] for refund in church.truth("refund").values()}
    gift = chance.choice(sorted(gifts, key=int))
    given = gifts[gift].attributes["amount_cents"]
    act = church.simulator.act
    match chance.randrange(6):
        case 0:
            parts = [[int(fund), chance.randint(1, 99_999)] for fund in chance.sample(funds, chance.randint(1, 3))]
            act("give", parts=parts, batch=int(chance.choice(batches)) if chance.random() < 0.5 else None)
        case 1 if gift not in refunded and given > 1:
            first = chance.randint(1, given - 1)
            one, other = chance.sample(funds, 2)
            act("resplit", donation=int(gift), parts=[[int(one), first], [int(other), given - first]])
        case 2 if gift not in refunded and gifts[gift].attributes["payment_status"] == "succeeded":
            act("refund", donation=int(gift), cents=chance.randint(1, given), stamps=chance.random() < 0.5)
        case 3:
            act("void", donation=int(gift))
        case 4:
            act("move_gift", donation=int(gift), batch=int(chance.choice(batches)))
        case _:
            act("commit_batch", batch=int(chance.choice(batches)))


@pytest.mark.long
def test_sums_are_equal_to_the_cent_after_random_changes_and_interruptions(church: Church) -> None:
    chance = random.Random(7)
    church.sync(SyncMode.FULL, lambda: chance.random() < 0.02)
    assert church.expected()
    assert church.stored() == church.expected()
    for _ in range(CHANGES):
        live(church, chance)
    church.sync(SyncMode.DELTA, lambda: chance.random() < 0.02)
    church.sync(SyncMode.RECONCILIATION, lambda: chance.random() < 0.02)
    assert church.interruptions > 3
    assert church.stored() == church.expected()
    assert not check_differences(church.database, SyncKey(GRACE, church.manifest.adapter, GIFTS))
    stated = {key: batch.attributes["total_cents"] for key, batch in church.truth("batch").items()}
    summed = fetch(
        church.database,
        "SELECT held.external_id, COALESCE(sum(gift.amount_cents), 0)::bigint FROM openfaith.batches held "
        "LEFT JOIN openfaith.donations gift ON (gift.org_id, gift.batch_id) = (held.org_id, held.id) "
        "AND gift.deleted_at IS NULL WHERE held.deleted_at IS NULL GROUP BY held.external_id",
    )
    assert dict(summed) == stated
