"""Services of a church, three levels deep: a manifest of their own, a source in memory, and syncs into PostgreSQL."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import FilterIgnored, MalformedAnswer, NotFoundAtSource
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Order, Page
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.records.record import JsonObject, RawRecord, Reference
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.org_connection import OnStep
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.store.making import fetch

SHIPPED = Path(__file__).parents[2] / "manifests"
TYPE, PLAN, TIME = EntityName("service_type"), EntityName("plan"), EntityName("plan_person_time")
PERSON, NOTE, ITEM = EntityName("plan_person"), EntityName("plan_person_note"), EntityName("item")
SUMMARY, REMINDER = EntityName("plan_summary"), EntityName("reminder")
PAGE = 100
GRACE = OrgId("grace")
NAMED = """
      name: {type: string}
      updated_at: {type: date_time}"""
ENTITIES = f"""
  service_type:
    resource: ServiceType
    description: A kind of service.
    endpoints: {{list: /service_types, get: "/service_types/{{id}}"}}
    delta: {{by: none, attribute: null}}
    attributes: {NAMED}
  plan:
    resource: Plan
    description: A service on a day.
    endpoints: {{list: "/service_types/{{parent}}/plans", get: "/service_types/{{parent}}/plans/{{id}}"}}
    nested: {{under: service_type}}
    order_by: [updated_at]
    filters: [updated_at]
    delta: {{by: filter}}
    webhooks: [services.v2.events.plan.updated]
    relationships:
      service_type: {{target: service_type, resource: ServiceType, nullable: false, always: true}}
    attributes: {NAMED}
      starts_at: {{type: date_time}}
      items_count: {{type: integer}}
      is_summarized: {{type: boolean}}
  plan_person_time:
    resource: PlanPersonTime
    description: When a person serves.
    endpoints:
      list: "/service_types/{{parent}}/plan_person_times"
      get: "/service_types/{{parent}}/plan_person_times/{{id}}"
    nested: {{under: service_type}}
    order_by: [updated_at]
    delta: {{by: ordered}}
    relationships:
      service_type: {{target: service_type, resource: ServiceType, nullable: false, always: true}}
      plan: {{target: plan, resource: Plan, always: true}}
    attributes: {NAMED}
  plan_person:
    resource: PlanPerson
    description: A person who serves in a plan.
    endpoints:
      list: "/service_types/{{service_type}}/plans/{{parent}}/team_members"
      get: "/service_types/{{service_type}}/plans/{{parent}}/team_members/{{id}}"
    nested: {{under: plan, triggers: {{webhook: true, watch: plan_person_time}}}}
    delta: {{by: none}}
    relationships:
      plan: {{target: plan, resource: Plan, nullable: false, always: true}}
    attributes: {NAMED}
  plan_person_note:
    resource: Note
    description: A note about a person who serves.
    endpoints:
      list: "/service_types/{{service_type}}/plans/{{plan}}/team_members/{{parent}}/notes"
      get: "/service_types/{{service_type}}/plans/{{plan}}/team_members/{{parent}}/notes/{{id}}"
    nested: {{under: plan_person}}
    delta: {{by: none}}
    relationships:
      plan_person: {{target: plan_person, resource: PlanPerson, nullable: false, always: true}}
    attributes: {NAMED}
  item:
    resource: Item
    description: What happens in a plan.
    endpoints:
      list: "/service_types/{{service_type}}/plans/{{parent}}/items"
      get: "/service_types/{{service_type}}/plans/{{parent}}/items/{{id}}"
    nested:
      under: plan
      when: [{{attribute: starts_at, after: history}}]
      freeze: {{attribute: starts_at, after_days: 14}}
      triggers: {{attributes: [items_count], webhook: true}}
    delta: {{by: none}}
    relationships:
      plan: {{target: plan, resource: Plan, nullable: false, always: true}}
    attributes: {NAMED}
  plan_summary:
    resource: Summary
    description: What a plan came to.
    endpoints:
      list: "/service_types/{{service_type}}/plans/{{parent}}/summary"
      get: "/service_types/{{service_type}}/plans/{{parent}}/summary"
    nested: {{under: plan, one: true, when: [{{attribute: is_summarized, equals: true}}]}}
    delta: {{by: none}}
    relationships:
      plan: {{target: plan, resource: Plan, nullable: false, always: true}}
    attributes: {NAMED}
  reminder:
    resource: Reminder
    description: What is still to be done for a plan.
    endpoints: {{list: "/service_types/{{service_type}}/plans/{{parent}}/reminders"}}
    nested:
      under: plan
      triggers: {{attributes: [items_count], poll: [{{attribute: starts_at, after: 0d}}]}}
    delta: {{by: none}}
    relationships:
      plan: {{target: plan, resource: Plan, nullable: false, always: true}}
    attributes: {NAMED}
"""


def read_services(folder: Path) -> Manifest:
    """Return PCO's manifest with these entities and no others."""
    (folder / "pco").mkdir(parents=True)
    shutil.copy(SHIPPED / "pco/adapter.yaml", folder / "pco")
    (folder / "pco/people.yaml").write_text(f"module: people\nproduct: people\nentities:{ENTITIES}")
    return read_manifest(folder, "pco")


@dataclass
class Row:
    """One record at the source."""

    attributes: dict[str, Any]
    parent: str | None = None
    references: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass
class Services:
    """A source in memory; it checks the path of each request."""

    manifest: Manifest
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    rows: dict[EntityName, dict[str, Row]] = field(default_factory=dict)
    queries: list[ListingQuery] = field(default_factory=list)
    reads: list[tuple[EntityName, str]] = field(default_factory=list)
    failing: set[EntityName] = field(default_factory=set)
    """The entities whose lists all answer 404."""
    ignores_filters: bool = False

    def put(self, entity: EntityName, external_id: str, parent: str | None = None, **attributes: Any) -> None:
        """Create or change a record, now."""
        held = self.rows.setdefault(entity, {}).setdefault(external_id, Row({"name": f"{entity} {external_id}"}))
        references = {k: v for k, v in attributes.items() if isinstance(v, tuple)}
        held.attributes |= {k: v for k, v in attributes.items() if k not in references}
        held.attributes["updated_at"] = wire(self.now)
        held.references |= references
        held.parent = parent or held.parent

    def pass_by(self, **elapsed: float) -> None:
        """Move the source's clock forward."""
        self.now += timedelta(**elapsed)

    def lists_read(self, entity: EntityName) -> list[str]:
        """Return the parents whose lists were asked for, in order, each page once."""
        return [str(one.parent) for one in self.queries if one.entity == entity]

    def read_page(self, query: ListingQuery) -> Page:
        self.queries.append(query)
        self._require_path(query.entity, query.parent, query.ancestors)
        nested = self.manifest.entities[query.entity].nested
        if nested is not None and query.entity in self.failing:
            raise NotFoundAtSource("404")
        found = [
            (external_id, row)
            for external_id, row in self.rows.get(query.entity, {}).items()
            if nested is None or row.parent == query.parent
        ]
        if nested is not None and nested.one and not found:
            raise NotFoundAtSource("404")
        if query.version_from is not None:
            found = [one for one in found if one[1].attributes["updated_at"] >= wire(query.version_from)]
        found.sort(key=lambda one: (len(one[0]), one[0]))
        if query.order is not Order.ID:
            found.sort(key=lambda one: one[1].attributes["updated_at"], reverse=query.order is Order.VERSION_DESCENDING)
        if self.ignores_filters and query.order is not Order.ID:
            raise FilterIgnored("the filter was ignored")
        end = query.offset + (query.size or PAGE)
        records = tuple(self._raw(query.entity, external_id, row) for external_id, row in found[query.offset : end])
        return Page(records, total_count=len(found), has_next=end < len(found), answered_at=self.now)

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        self.reads.append((entity, external_id))
        try:
            self._require_path(entity, parent, ancestors)
        except NotFoundAtSource:
            return None
        row = self.rows.get(entity, {}).get(external_id)
        if row is None or row.parent != parent:
            return None
        return FreshRecord(self._raw(entity, external_id, row))

    def read_merges(self, query: ListingQuery) -> Page:
        raise NotImplementedError(query)

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        raise MalformedAnswer(f"{entity} {parent} {payload}")

    def parse_stored(self, entity: EntityName, body: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        raise NotImplementedError(f"{entity} {parent} {body}")

    def _require_path(self, entity: EntityName, parent: ExternalId | None, ancestors: Ancestors) -> None:
        """Answer 404 for a path that does not lead from record to record."""
        nested = self.manifest.entities[entity].nested
        above = self.manifest.entities[entity].parent
        assert (nested is None) == (parent is None)
        given = dict(ancestors)
        while above is not None and parent is not None:
            row = self.rows.get(above, {}).get(parent)
            if row is None:
                raise NotFoundAtSource("404")
            parent = ExternalId(row.parent) if row.parent else None
            above = self.manifest.entities[above].parent
            if above is not None and above in self._path_parameters(entity):
                assert given.pop(above, None) == parent, f"a wrong path: {ancestors}"
        assert not given

    def _path_parameters(self, entity: EntityName) -> str:
        return self.manifest.entities[entity].endpoints.list

    def _raw(self, entity: EntityName, external_id: str, row: Row) -> RawRecord:
        definition = self.manifest.entities[entity]
        references: dict[str, Reference | None] = {
            name: Reference(ExternalId(identity), kind) for name, (kind, identity) in row.references.items()
        }
        if definition.nested is not None and row.parent is not None:
            resource = definition.relationships[definition.nested.under].resource
            references[definition.nested.under] = Reference(ExternalId(row.parent), resource)
        return RawRecord(ExternalId(external_id), dict(row.attributes), references, {"id": external_id})


class Killed(Exception):
    """The process ended here."""


@dataclass
class ServicesSync:
    """The syncs of one org."""

    database: Database
    manifest: Manifest
    source: Services
    org: OrgId = GRACE
    on_step: OnStep | None = None

    def sync(self, entity: EntityName, mode: SyncMode = SyncMode.AUTO) -> PassResult:
        """Sync one entity, with the requests that this takes alone."""
        self.source.queries.clear()
        self.source.reads.clear()
        with self.session() as session:
            return run_entity(session, entity, mode)

    @contextmanager
    def session(self) -> Iterator[Session]:
        with open_store(self.database, self.org, self.on_step) as store:
            yield Session(self.manifest, self.source, store, self.org)

    def sync_all(self, *entities: EntityName, mode: SyncMode = SyncMode.AUTO) -> Mapping[EntityName, PassResult]:
        return {entity: self.sync(entity, mode) for entity in entities}

    def live(self, entity: EntityName) -> set[str]:
        table = self.manifest.entities[entity].record_table.quoted
        return {
            row[0]
            for row in fetch(
                self.database,
                f"SELECT external_id FROM {table} WHERE org_id = %s AND type = %s AND deleted_at IS NULL",
                self.org,
                entity,
            )
        }

    def truth(self, entity: EntityName) -> set[str]:
        return set(self.source.rows.get(entity, {}))

    def key(self, entity: EntityName) -> SyncKey:
        return SyncKey(self.org, self.manifest.adapter, entity)

    def of_org(self, org: OrgId) -> "ServicesSync":
        return replace(self, org=org)


def wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def days(count: float) -> str:
    """Return the time so many days from now."""
    return wire(datetime.now(UTC) + timedelta(days=count))


def begin_services(manifest: Manifest) -> Services:
    """Return a source where everything is a month old."""
    source = Services(manifest)
    source.pass_by(days=-30)
    for kind in ("40", "41"):
        source.put(TYPE, kind)
        for n in range(3):
            plan = f"{kind}{n}"
            source.put(PLAN, plan, kind, starts_at=days(7 * n - 2), items_count=0, is_summarized=False)
            for m in range(2):
                source.put(PERSON, f"{plan}{m}", plan)
                source.put(NOTE, f"{plan}{m}9", f"{plan}{m}")
    source.pass_by(days=30)
    return source
