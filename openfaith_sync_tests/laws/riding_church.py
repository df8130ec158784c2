"""A church of gifts in memory: parts, a refund with its parts, and an appeal that others share come with each gift.

A page may be served without what comes with it, and each list of a parent may be asked for by itself.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import AccessDenied, NotFoundAtSource, PageNotServed
from openfaith_sync.domain.ids import UNIDENTIFIED, EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Order, Page
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.records.record import Damage, JsonObject, RawRecord, Reference
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.ports.store import Store
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.org_connection import OnStep
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.store.making import fetch

GRACE = OrgId("grace")
FUND, GIFT, PART, REFUND, REFUND_PART, APPEAL, KIND = map(
    EntityName, ("fund", "gift", "part", "refund", "refund_part", "appeal", "kind")
)
ORDER = (FUND, GIFT, KIND, APPEAL, PART, REFUND, REFUND_PART)
RIDERS = (PART, REFUND, REFUND_PART, APPEAL)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SHIPPED = Path(__file__).parents[2] / "manifests"
ENTITIES = """
module: people
product: people
entities:
  fund:
    resource: Fund
    description: A fund.
    endpoints: {list: /funds, get: "/funds/{id}"}
    delta: {by: none, attribute: null}
    attributes: {name: {type: string}}
  kind:
    resource: Kind
    description: A kind of gift, which nothing lists.
    endpoints: {list: /nowhere}
    delta: {by: none, attribute: null}
    cadence: {delta: never, reconcile: never}
    attributes: {name: {type: string}}
  gift:
    resource: Gift
    description: A gift.
    endpoints: {list: /gifts, get: "/gifts/{id}"}
    order_by: [updated_at]
    filters: [updated_at]
    includes: [parts, refund, appeal, kind]
    sideload: {parts: part, refund: refund, refund.refund_parts: refund_part, appeal: appeal, kind: kind}
    delta: {by: filter, attribute: updated_at, overlap_seconds: 0}
    relationships:
      fund: {target: fund, resource: Fund, always: true}
      parts: {target: part, resource: Part, cardinality: many}
      refund: {target: refund, resource: Refund}
      appeal: {target: appeal, resource: Appeal}
      kind: {target: kind, resource: Kind}
    attributes: {amount_cents: {type: integer}, updated_at: {type: date_time}}
  part:
    resource: Part
    description: What of a gift is for one fund.
    endpoints: {list: "/gifts/{parent}/parts", get: "/gifts/{parent}/parts/{id}"}
    nested: {under: gift, members: parts, rides: true}
    delta: {by: none, attribute: null}
    relationships:
      gift: {target: gift, resource: Gift, nullable: false, always: true}
    attributes: {amount_cents: {type: integer}}
  refund:
    resource: Refund
    description: What of a gift was given back.
    endpoints: {list: "/gifts/{parent}/refund"}
    nested: {under: gift, members: refund, rides: true}
    delta: {by: none, attribute: null}
    relationships:
      gift: {target: gift, resource: Gift, nullable: false, always: true}
      refund_parts: {target: refund_part, resource: RefundPart, cardinality: many}
    attributes: {amount_cents: {type: integer}}
  refund_part:
    resource: RefundPart
    plural: refund_parts
    description: What of a part was given back.
    endpoints: {list: "/refunds/{parent}/parts"}
    nested: {under: refund, members: refund_parts, rides: true}
    delta: {by: none, attribute: null}
    relationships:
      refund: {target: refund, resource: Refund, nullable: false, always: true}
    attributes: {amount_cents: {type: integer}}
  appeal:
    resource: Appeal
    description: What gifts of a fund were asked for with.
    endpoints: {list: "/funds/{parent}/appeals", get: "/funds/{parent}/appeals/{id}"}
    nested: {under: fund, rides: true}
    delta: {by: none, attribute: null}
    relationships:
      fund: {target: fund, resource: Fund, nullable: false, always: true}
    attributes: {name: {type: string}}
"""


def riding_manifest(folder: Path) -> Manifest:
    """Return the manifest of gifts, with Planning Center's way of paging."""
    (folder / "pco").mkdir()
    shutil.copy(SHIPPED / "pco" / "adapter.yaml", folder / "pco")
    (folder / "pco" / "people.yaml").write_text(ENTITIES)
    manifest = read_manifest(folder, "pco")
    paging = manifest.adapter_file.paging.model_copy(update={"size": 5, "pages_in_flight": 2})
    return manifest.model_copy(update={"adapter_file": manifest.adapter_file.model_copy(update={"paging": paging})})


@dataclass
class Gift:
    """A gift as the source has it."""

    second: int
    fund: str
    parts: dict[str, Any] = field(default_factory=dict)
    refund: str | None = None
    refund_parts: dict[str, Any] = field(default_factory=dict)
    appeal: str | None = None
    cents: int = 100


@dataclass
class RidingSource:
    """The source; every request it is sent is kept."""

    gifts: dict[str, Gift] = field(default_factory=dict)
    appeals: dict[str, str] = field(default_factory=dict)
    """The fund of each."""
    refused: bool = False
    """Whether the token may not read the lists of parents."""
    is_included: Callable[[ListingQuery], bool] = lambda _: True
    """Whether a page is served with what comes with it."""
    heavy: set[str] = field(default_factory=set)
    """Gifts with which the source does not serve a page that includes anything."""
    lags: set[str] = field(default_factory=set)
    """Of the parts that a page includes, those that are not there yet, though their gifts name them."""
    asked: list[str] = field(default_factory=list)
    now: int = 0

    def read_page(self, query: ListingQuery) -> Page:
        self.asked.append(f"{query.entity}:{query.parent or ''}")
        if query.entity == GIFT:
            return self._gifts(query)
        if query.entity == FUND:
            return self._page([self._raw("Fund", one, {"name": one}, {}) for one in ("1", "2")], query)
        return self._page(list(self._list(query.entity, str(query.parent))), query)

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        self.asked.append(f"{entity}/{external_id}")
        assert not ancestors
        if entity == GIFT:
            if external_id not in self.gifts:
                return None
            record = self._gift(external_id, is_whole=True)
            return FreshRecord(record, self._children([external_id], RIDERS))
        if entity == FUND:
            return FreshRecord(self._raw("Fund", external_id, {"name": external_id}, {}))
        assert parent is not None
        try:
            found = self._list(entity, parent)
        except NotFoundAtSource:
            return None
        return next((FreshRecord(one) for one in found if one.external_id == external_id), None)

    def read_merges(self, query: ListingQuery) -> Page:
        raise NotImplementedError

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        raise NotImplementedError

    def parse_stored(self, entity: EntityName, body: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        raise NotImplementedError

    def _gifts(self, query: ListingQuery) -> Page:
        rows = [one for one, gift in self.gifts.items() if self._matches(gift, query)]
        rows.sort(key=lambda one: (0 if query.order is Order.ID else self.gifts[one].second, int(one)))
        if query.order is Order.VERSION_DESCENDING:
            rows.reverse()
        shown = rows[query.offset : query.offset + (query.size or 5)]
        if query.children and self.heavy.intersection(shown):
            raise PageNotServed("504")
        is_whole = bool(query.children) and self.is_included(query)
        children = self._children(shown, query.children) if is_whole else {}
        records = [self._gift(one, is_whole=is_whole) for one in shown]
        return Page(
            tuple(records),
            total_count=len(rows),
            has_next=query.offset + len(shown) < len(rows),
            children=children,
            answered_at=EPOCH + timedelta(seconds=self.now + 1000),
        )

    def _matches(self, gift: Gift, query: ListingQuery) -> bool:
        version = EPOCH + timedelta(seconds=gift.second)
        is_from = query.version_from is None or version >= query.version_from
        return is_from and (query.version_before is None or version < query.version_before)

    def _gift(self, one: str, *, is_whole: bool) -> RawRecord:
        gift = self.gifts[one]
        stamp = (EPOCH + timedelta(seconds=gift.second)).strftime("%Y-%m-%dT%H:%M:%SZ")
        attributes = {"amount_cents": gift.cents, "updated_at": stamp}
        ones: dict[str, Reference | None] = {"fund": Reference(ExternalId(gift.fund), "Fund")}
        members = {}
        if is_whole:
            ones["refund"] = Reference(ExternalId(gift.refund), "Refund") if gift.refund else None
            ones["kind"] = Reference(ExternalId("1"), "Kind")
            ones["appeal"] = Reference(ExternalId(gift.appeal), "Appeal") if gift.appeal else None
            known = (part for part in gift.parts if not part.startswith(UNIDENTIFIED))
            members["parts"] = tuple(Reference(ExternalId(part), "Part") for part in known)
        return RawRecord(ExternalId(one), attributes, ones, {"id": one}, members or None)

    def _children(self, gifts: list[str], wanted: tuple[EntityName, ...]) -> Mapping[EntityName, tuple[RawRecord, ...]]:
        found: dict[EntityName, list[RawRecord]] = {name: [] for name in wanted}
        for one in gifts:
            gift = self.gifts[one]
            found[PART] += [part for part in self._list(PART, one) if part.external_id not in self.lags]
            if gift.refund:
                found[REFUND] += self._refunds(one)
                found[REFUND_PART] += self._refund_parts(gift)
            if gift.appeal and gift.appeal not in {appeal.external_id for appeal in found[APPEAL]}:
                found[APPEAL].append(self._appeal(gift.appeal))
        found[KIND] = [self._raw("Kind", "1", {"name": "check"}, {})] if gifts else []
        return {name: tuple(records) for name, records in found.items()}

    def _list(self, entity: EntityName, parent: str) -> Iterator[RawRecord]:
        if self.refused:
            raise AccessDenied("the token may not read this list")
        if entity == APPEAL:
            return iter([self._appeal(one) for one, fund in self.appeals.items() if fund == parent])
        if entity == REFUND_PART:
            gift = next((gift for gift in self.gifts.values() if gift.refund == parent), None)
            if gift is None:
                raise NotFoundAtSource("no such refund")
            return iter(self._refund_parts(gift))
        if parent not in self.gifts:
            raise NotFoundAtSource("no such gift")
        if entity == REFUND:
            return iter(self._refunds(parent))
        return iter(
            [
                self._raw("Part", part, {"amount_cents": cents}, {"gift": Reference(ExternalId(parent), "Gift")})
                for part, cents in self.gifts[parent].parts.items()
            ]
        )

    def _refunds(self, one: str) -> list[RawRecord]:
        gift = self.gifts[one]
        if gift.refund is None:
            return []
        refund = self._raw("Refund", gift.refund, {"amount_cents": -1}, {"gift": Reference(ExternalId(one), "Gift")})
        parts = tuple(Reference(ExternalId(part), "RefundPart") for part in gift.refund_parts)
        return [refund._replace(members={"refund_parts": parts})]

    def _refund_parts(self, gift: Gift) -> list[RawRecord]:
        under = Reference(ExternalId(str(gift.refund)), "Refund")
        parts = gift.refund_parts.items()
        return [self._raw("RefundPart", one, {"amount_cents": cents}, {"refund": under}) for one, cents in parts]

    def _appeal(self, one: str) -> RawRecord:
        return self._raw("Appeal", one, {"name": one}, {"fund": Reference(ExternalId(self.appeals[one]), "Fund")})

    def _raw(
        self, kind: str, one: str, attributes: dict[str, Any], references: dict[str, Reference | None]
    ) -> RawRecord:
        is_damaged = attributes.get("amount_cents") == "damaged"
        damage = Damage("amount_cents", "object", "not a number") if is_damaged else None
        return RawRecord(ExternalId(one), attributes, references, {"id": one, "type": kind}, damage=damage)

    def _page(self, records: list[RawRecord], query: ListingQuery) -> Page:
        children: Mapping[EntityName, tuple[RawRecord, ...]] = {}
        if query.entity == REFUND and query.children:
            gift = self.gifts[str(query.parent)]
            children = {REFUND_PART: tuple(self._refund_parts(gift)) if gift.refund else ()}
        return Page(tuple(records), total_count=len(records), has_next=False, children=children)


@dataclass
class RidingChurch:
    """A church of gifts, and what is stored of it."""

    database: Database
    manifest: Manifest
    source: RidingSource
    org: OrgId = GRACE

    def sync(self, entity: EntityName, mode: SyncMode = SyncMode.AUTO, on_step: OnStep | None = None) -> PassResult:
        with open_store(self.database, self.org, on_step) as store:
            return run_entity(self.session(store), entity, mode)

    def session(self, store: Store) -> Session:
        return Session(self.manifest, self.source, store, self.org, "test")

    def sync_all(self, mode: SyncMode = SyncMode.AUTO, on_step: OnStep | None = None) -> dict[EntityName, PassResult]:
        return {entity: self.sync(entity, mode, on_step) for entity in ORDER}

    def drain(self) -> None:
        with open_store(self.database, self.org) as store:
            run_records(self.session(store))

    def live(self, entity: EntityName) -> set[str]:
        table = self.manifest.entities[entity].record_table.quoted
        query = f"SELECT external_id FROM {table} WHERE org_id = %s AND deleted_at IS NULL"
        return {row[0] for row in fetch(self.database, query, self.org)}

    def truth(self, entity: EntityName) -> set[str]:
        gifts = self.source.gifts.values()
        found = {
            GIFT: set(self.source.gifts),
            FUND: {"1", "2"},
            KIND: {"1"},
            PART: {part for gift in gifts for part in gift.parts},
            REFUND: {gift.refund for gift in gifts if gift.refund},
            REFUND_PART: {part for gift in gifts if gift.refund for part in gift.refund_parts},
            APPEAL: {gift.appeal for gift in gifts if gift.appeal},
        }
        return found[entity]

    def change(self, one: str, **changes: Any) -> None:
        """Change a gift, as of the source's next second."""
        self.source.now += 1
        gift = self.source.gifts[one]
        gift.second = self.source.now
        for name, value in changes.items():
            setattr(gift, name, value)


def make_church(database: Database, manifest: Manifest, org: OrgId = GRACE, gifts: int = 23) -> RidingChurch:
    """Return a church whose gifts have one or two parts; some were refunded, and most answer an appeal."""
    source = RidingSource(appeals={"801": "1", "802": "2"})
    for n in range(1, gifts + 1):
        fund = "1" if n % 2 else "2"
        parts = {f"{n}01": 60, f"{n}02": 40} if n % 3 else {f"{n}01": 100}
        is_refunded = n % 5 == 0
        source.gifts[str(n)] = Gift(
            second=n,
            fund=fund,
            parts=parts,
            refund=f"9{n}" if is_refunded else None,
            refund_parts={f"7{part}": -cents for part, cents in parts.items()} if is_refunded else {},
            appeal=f"80{fund}" if n % 4 else None,
        )
    source.now = gifts
    return RidingChurch(database, manifest, source, org)
