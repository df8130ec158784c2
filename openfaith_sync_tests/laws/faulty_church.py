"""A tiny church of several pages, synced while one request of one entity goes wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from openfaith_sync.adapters.client.auth import Authorization
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.request_limits import RequestLimits
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.connections.connection import BasicCredentials
from openfaith_sync.domain.connections.connection import Connection as OrgConnection
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.org_sync import EntityOutcome, run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.simulator.data.ground_truth import TrueRecord
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync_tests.adapters.clients import guarded
from openfaith_sync_tests.laws.one_connection import OneConnection

UNITS = (
    ("campus",),
    ("person", "address", "email", "phone_number"),
    ("household", "household_membership"),
    ("group", "group_membership", "event"),
)
"""Together all entities: children with those that they ride along with, nested ones with their parents."""
NAMES = {
    "campus": "name", "person": "first_name", "address": "city", "email": "location", "phone_number": "location",
    "household": "name", "group": "name", "event": "name",
}  # fmt: skip
"""An attribute of each entity that knows its own changes."""
TOO_MANY, IMPATIENT = 429, timedelta(seconds=0.2)
GHOST = ExternalId("999999")
BOUNDS = RequestLimits(body_bytes=1 << 20)
HASTY = RequestLimits(read_seconds=0.1, whole_seconds=0.1)
"""For faults of slowness; a right answer takes a hundredth of it, and one that does not is told from a fault."""


def with_pages_of(manifest: Manifest, size: int) -> Manifest:
    """Return the manifest with so many records a page."""
    adapter = manifest.adapter_file
    paging = adapter.paging.model_copy(update={"size": size})
    return manifest.model_copy(update={"adapter_file": adapter.model_copy(update={"paging": paging})})


@dataclass
class Faulty:
    """One kind of fault, and the church that it happens to."""

    writing: OneConnection
    looking: Connection
    """One that only looks at what a sync left behind."""
    manifest: Manifest
    simulator: RunningSimulator
    fault: Fault
    bounds: RequestLimits = BOUNDS
    silent: list[str] = field(default_factory=list)
    """Where a sync called itself complete and was not."""
    failed: int = 0
    hits: int = 0
    _truth: dict[str, Mapping[str, TrueRecord]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin without a fault that another test left."""
        self.simulator.clear_faults()

    def sync(
        self,
        org: OrgId,
        entities: Sequence[str],
        mode: SyncMode,
        bounds: RequestLimits = BOUNDS,
        patience: timedelta | None = None,
    ) -> list[EntityOutcome]:
        """Sync these, each request tried once."""
        connection = OrgConnection(
            org, self.manifest.adapter, self.simulator.base_url, BasicCredentials("demo", "demo")
        )
        adapter = self.manifest.adapter_file
        names = [EntityName(name) for name in entities]
        with HttpClient(
            connection.base_url,
            Authorization(connection),
            adapter,
            attempts=1,
            patience=patience,
            bounds=bounds,
            **guarded(self.manifest),
        ) as client:
            store = self.writing.store(org)
            source = open_dialect(self.manifest).open_source(client)
            return list(run_org(Session(self.manifest, source, store, org), names, self._hard, mode=mode))

    @cached_property
    def _hard(self) -> dict[EntityName, set[EntityName]]:
        edges = [edge for edge in self.manifest.graph.edges if edge.strength == "hard"]
        return {name: {e.dependency for e in edges if e.dependent == name} for name in self.manifest.entities}

    def sync_with_fault(self, org: OrgId, entities: Sequence[str], mode: SyncMode, place: int) -> bool:
        """Sync while the request at this place goes wrong, then once more; says whether there is such a request."""
        # A limit is waited for as long as anybody has patience, which would be no failure.
        patience = IMPATIENT if self.fault.status == TOO_MANY else None
        while True:
            self.simulator.fault(self.fault.model_copy(update={"at": place, "times": 1}))
            outcomes = self.sync(org, entities, mode, self.bounds, patience)
            is_hit = bool(self.simulator.armed_faults()[0]["hits"])
            has_failed = any(outcome.error for outcome in outcomes)
            self.simulator.clear_faults()
            if is_hit or not has_failed:
                break
            # Slow by itself, where slowness is the fault: as good as not asked.
            self.sync(org, entities, mode)
        if not is_hit:
            return False
        self.hits += 1
        self.failed += has_failed
        self.assert_nothing_alive_is_buried(org, entities)
        if has_failed:
            left = [outcome.entity for outcome in outcomes if outcome.result is None]
            assert not [str(outcome.error) for outcome in self.sync(org, left, mode) if outcome.error]
            self.assert_nothing_alive_is_buried(org, entities)
        wrong = self.differences(org, entities)
        if wrong and not has_failed:
            if not self._is_told(outcomes, wrong) and not self._is_old_news(mode):
                self.silent.append(f"{mode} of {'+'.join(entities)}, request {place}: {wrong}")
            assert not [str(outcome.error) for outcome in self.sync(org, entities, mode) if outcome.error]
            wrong = self.differences(org, entities)
        assert not wrong, f"{mode} of {entities} with {self.fault} at request {place} was not healed: {wrong}"
        return True

    def _is_told(self, outcomes: Iterable[EntityOutcome], wrong: Mapping[str, str]) -> bool:
        """Whether a sync that was not right said so, or read only what no count can prove to be whole."""
        reports = {outcome.entity: outcome.result.report for outcome in outcomes if outcome.result}
        return all(
            reports[EntityName(entity)].get("still_candidates")
            or reports[EntityName(entity)].get("parents_gone")
            or reports[EntityName(entity)].get("parents_refused")
            or reports[EntityName(entity)].get("parents_unlisted")
            or self._is_uncounted(entity)
            for entity in wrong
        )

    def _is_old_news(self, mode: SyncMode) -> bool:
        """Whether a delta was shown what was right a moment ago: no watermark passes what it did not see."""
        return self.fault.kind == "repeat_page" and mode is SyncMode.DELTA

    def _is_uncounted(self, entity: str) -> bool:
        """Whether the source's count of it is known to be wrong, so that a listing cut short looks like a whole one."""
        is_cut_short = self.fault.kind in {"short_page", "empty_page", "repeat_page", "wrong_total"}
        return is_cut_short and self.manifest.entities[EntityName(entity)].total_count != "exact"

    def truth(self, entity: str) -> Mapping[str, TrueRecord]:
        """Return the source's records of an entity, which only ``change`` changes."""
        if entity not in self._truth:
            self._truth[entity] = self.simulator.truth(entity)
        return self._truth[entity]

    def change(self, entity: str, identity: str, attributes: dict[str, str]) -> None:
        """Change a record at the source."""
        self.simulator.change(entity, identity, attributes)
        self._truth.clear()

    def assert_nothing_alive_is_buried(self, org: OrgId, entities: Iterable[str]) -> None:
        """Every tombstone is of a record that the source has not."""
        for entity in entities:
            buried = self._ids(org, entity, "IS NOT NULL")
            assert not buried & self.truth(entity).keys(), f"{entity}: buried alive after {self.fault}"

    def differences(self, org: OrgId, entities: Iterable[str]) -> dict[str, str]:
        """Say by entity what the rows have other than the source."""
        found = {}
        for entity in entities:
            truth, live = self.truth(entity), self._ids(org, entity, "IS NULL")
            if live != truth.keys():
                found[entity] = f"has {sorted(live - truth.keys())} too many, lacks {sorted(truth.keys() - live)}"
            elif entity in NAMES:
                held = self._values(org, entity)
                stale = [one for one, record in truth.items() if held[one] != record.attributes[NAMES[entity]]]
                if stale:
                    found[entity] = f"is stale at {stale}"
        return found

    def plant_ghost(self, org: OrgId, entity: str) -> None:
        """Hold a record that the source has no more."""
        table = self.manifest.entities[EntityName(entity)].table
        identity = derive_entity_id(org, self.manifest.adapter, EntityName(entity), GHOST)
        self.looking.execute(
            f"INSERT INTO openfaith.{table} SELECT copy.* FROM openfaith.{table} held,"
            " jsonb_populate_record(held, jsonb_build_object('external_id', %s::text, 'id', %s::text,"
            " 'source_version', NULL, 'content_hash', '\\x00', 'synced_at', now())) copy"
            " WHERE held.org_id = %s AND held.type = %s AND held.deleted_at IS NULL LIMIT 1"
            " ON CONFLICT (org_id, external_id, type, adapter) DO UPDATE SET deleted_at = NULL",
            (GHOST, identity, org, entity),
        )

    def _ids(self, org: OrgId, entity: str, deleted: str) -> set[str]:
        table = self.manifest.entities[EntityName(entity)].table
        rows = self.looking.execute(
            f"SELECT external_id FROM openfaith.{table} WHERE org_id = %s AND type = %s AND deleted_at {deleted}",
            (org, entity),
        )
        return {row[0] for row in rows}

    def _values(self, org: OrgId, entity: str) -> dict[str, str]:
        table = self.manifest.entities[EntityName(entity)].table
        rows = self.looking.execute(
            f"SELECT external_id, {NAMES[entity]} FROM openfaith.{table} WHERE org_id = %s AND type = %s",
            (org, entity),
        )
        return dict(rows)
