"""Law 2 and its one exception: an older version is taken only when listing and single read agree on it twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from openfaith_sync.domain.errors import AccessDenied, SafetyStop
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.deletions import HoldKind, HoldStatus
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.engine.deletions import version_rollback as going_back
from openfaith_sync.engine.ports.source import Source
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.deletions.hold_decisions import approve_hold, list_holds, load_held_records
from openfaith_sync_tests.laws.altered_source import AlteredSource, with_records
from openfaith_sync_tests.laws.synced_church import GRACE, PEOPLE, PERSON, PHONE, Synced
from openfaith_sync_tests.store.making import at, batch, email, fetch, run, walking

OLD = "2001-02-03T04:05:06Z"
READ_WHOLE_OR_IDS = pytest.mark.parametrize("entity", [PERSON, PHONE], ids=["records are read", "ids only"])
NAMED = {PERSON: ("people", "last_name"), PHONE: ("phone_numbers", "location")}


def first(church: Synced, count: int, entity: EntityName = PERSON) -> list[str]:
    return sorted(church.truth(entity), key=int)[:count]


def go_back(church: Synced, entity: EntityName, identities: Sequence[str], value: str = "Before") -> None:
    """Return these records to old versions at the source."""
    for identity in identities:
        church.simulator.change(entity, identity, {NAMED[entity][1]: value, "updated_at": OLD})


def let_a_day_pass(church: Synced) -> None:
    run(church.database, "UPDATE sync.older_versions SET agreed_at = agreed_at - interval '1 day'")


def stored(church: Synced, entity: EntityName, value: str = "Before") -> int:
    table, column = NAMED[entity]
    statement = f"SELECT count(*) FROM openfaith.{table} WHERE {column} = %s AND deleted_at IS NULL"
    return int(fetch(church.database, statement, value)[0][0])


@READ_WHOLE_OR_IDS
def test_a_source_that_went_back_is_followed_after_the_second_agreement(
    synced: Callable[..., Synced], entity: EntityName
) -> None:
    church = synced(entity)
    went = first(church, 5, entity)
    before = fetch(church.database, f"SELECT to_jsonb(t) FROM openfaith.{NAMED[entity][0]} t ORDER BY id")
    go_back(church, entity, went)
    report = church.sync(entity).report
    assert (report["went_back"], report["older_agreed"], report["older_taken"]) == (5, 5, 0)
    # Long enough has passed only for the second; what lies between says nothing new.
    assert church.sync(entity).report["older_taken"] == stored(church, entity) == 0
    let_a_day_pass(church)
    result = church.sync(entity)
    assert (result.report["older_taken"], result.report["older_at_source"], result.counts.updated) == (5, 0, 5)
    assert stored(church, entity) == 5
    kept = fetch(church.database, "SELECT external_id, record, version > taken_version FROM sync.superseded_records")
    assert {row[0] for row in kept} == set(went)
    assert all(row[2] and (row[1],) in before for row in kept)
    assert church.sync(entity).report["went_back"] == 0


@READ_WHOLE_OR_IDS
def test_a_record_restored_with_its_old_stamp_is_undeleted(synced: Callable[..., Synced], entity: EntityName) -> None:
    church = synced(entity)
    (identity,) = first(church, 1, entity)
    church.between = lambda source: Lagging(source, {}, hidden={identity})
    assert church.sync(entity).counts.tombstoned == 1
    church.between = lambda source: source
    go_back(church, entity, [identity])
    for taken in (0, 1):
        assert church.sync(entity).report["older_taken"] == taken
        assert (identity in church.live(entity)) is bool(taken)
        let_a_day_pass(church)
    assert church.live(entity) == church.truth(entity)
    assert stored(church, entity) == 1
    (kept,) = fetch(
        church.database, "SELECT deleted_at IS NOT NULL, record ->> 'id' IS NOT NULL FROM sync.superseded_records"
    )
    assert kept == (True, True)


@dataclass
class Lagging(AlteredSource):
    """A source whose replica shows older versions of some records, in listings, in readings or in both."""

    shown: dict[str, str]
    """The version that is shown, by id."""
    listings: bool = True
    readings: bool = True
    hidden: set[str] = field(default_factory=set)
    denied: bool = False

    def _old(self, record: RawRecord) -> RawRecord:
        version = self.shown.get(record.external_id)
        if version is None:
            return record
        return record._replace(attributes={**record.attributes, "updated_at": version})

    def read_page(self, query: ListingQuery) -> Page:
        page = self.inner.read_page(query)
        kept = [record for record in page.records if record.external_id not in self.hidden]
        return with_records(page, map(self._old, kept) if self.listings else kept, hidden=len(self.hidden))

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        if external_id in self.hidden:
            return None
        if self.denied and external_id in self.shown:
            raise AccessDenied("the token's user may not read this")
        fresh = self.inner.read_record(entity, external_id, parent, ancestors)
        return replace(fresh, record=self._old(fresh.record)) if fresh and self.readings else fresh


@pytest.mark.parametrize(
    "lag",
    [partial(Lagging, readings=False), partial(Lagging, listings=False), partial(Lagging, denied=True)],
    ids=["only listings lag", "only readings lag", "readings are refused"],
)
@READ_WHOLE_OR_IDS
def test_what_listing_and_reading_do_not_agree_on_is_never_taken(
    synced: Callable[..., Synced], entity: EntityName, lag: Callable[[Source, dict[str, str]], Lagging]
) -> None:
    church = synced(entity)
    rows = versions(church, entity)
    lagging = dict.fromkeys(first(church, 4, entity), OLD)
    church.between = lambda source: lag(source, lagging)
    for _ in range(3):
        assert church.sync(entity).report["older_taken"] == 0
        let_a_day_pass(church)
    assert versions(church, entity) == rows


def versions(church: Synced, entity: EntityName) -> list[tuple[Any, ...]]:
    table = church.manifest.entities[entity].table
    return fetch(
        church.database,
        f"SELECT external_id, source_version, content_hash, deleted_at FROM openfaith.{table} WHERE type = %s"
        " ORDER BY external_id",
        entity,
    )


@READ_WHOLE_OR_IDS
def test_a_replica_that_lags_and_catches_up_changes_nothing(synced: Callable[..., Synced], entity: EntityName) -> None:
    church = synced(entity)
    rows = versions(church, entity)
    lagging = dict.fromkeys(first(church, 4, entity), OLD)
    for shown in (lagging, {}, lagging, dict.fromkeys(lagging, "2001-02-03T04:05:07Z"), {}):
        church.between = partial(Lagging, shown=shown)
        report = church.sync(entity).report
        assert (report["went_back"], report["older_taken"]) == (len(shown), 0)
        let_a_day_pass(church)
    assert versions(church, entity) == rows


@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.DELTA])
def test_no_other_mode_ever_stores_an_older_version(synced: Callable[..., Synced], mode: SyncMode) -> None:
    church = synced(PERSON)
    went = first(church, 5)
    go_back(church, PERSON, went)
    for _ in range(3):
        church.sync(PERSON, mode)
        let_a_day_pass(church)
    church.sync(PERSON)
    let_a_day_pass(church)
    church.sync(PERSON, mode)
    assert stored(church, PERSON) == 0


def test_more_than_the_safety_stops_share_waits_for_a_person_while_the_rest_is_stored(
    synced: Callable[..., Synced],
) -> None:
    church = synced(PERSON)
    went = first(church, PEOPLE * 3 // 10)
    go_back(church, PERSON, went)
    newcomer = church.simulator.create("person", {"first_name": "New", "last_name": "Comer"})
    for _ in range(3):
        with pytest.raises(SafetyStop, match=r"72 records of person .* older version .* holds show \d+"):
            church.sync(PERSON)
        let_a_day_pass(church)
        assert stored(church, PERSON) == 0
    assert newcomer in church.live(PERSON)
    (hold,) = list_holds(church.database)
    assert (hold.kind, hold.missing, hold.status) == (HoldKind.OLDER, 72, HoldStatus.OPEN)
    waiting = load_held_records(church.database, hold, None, with_names=True)
    assert {record.external_id for record in waiting} == set(went)
    approve_hold(church.database, hold.hold_id)
    assert church.sync(PERSON).report["older_taken"] == stored(church, PERSON) == 72
    assert [hold.status for hold in list_holds(church.database, is_all=True)] == [HoldStatus.SETTLED]


def test_an_approval_is_a_ceiling_for_older_versions_too(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    went = first(church, 61)
    go_back(church, PERSON, went[:60])
    with pytest.raises(SafetyStop):
        church.sync(PERSON)
    approve_hold(church.database, list_holds(church.database)[0].hold_id)
    let_a_day_pass(church)
    go_back(church, PERSON, went[60:])
    with pytest.raises(SafetyStop, match=r"61 records .* \(60 were approved\)"):
        church.sync(PERSON)
    assert stored(church, PERSON) == 0


def test_what_the_budget_leaves_unread_is_read_by_later_reconciliations(
    synced: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(going_back, "READS_A_PASS", 3)
    monkeypatch.setattr(going_back, "READS_AT_ONCE", 3)
    church = synced(PERSON)
    go_back(church, PERSON, first(church, 8))
    taken = []
    for _ in range(8):
        taken.append(int(str(church.sync(PERSON).report["older_taken"])))
        let_a_day_pass(church)
    assert max(taken) == 3
    assert sum(taken) == stored(church, PERSON) == 8


def test_a_version_that_came_in_meanwhile_is_not_overwritten(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON)
    (identity,) = first(church, 1)
    go_back(church, PERSON, [identity])
    church.sync(PERSON)
    let_a_day_pass(church)
    church.between = lambda source: Overtaken(source, church, ExternalId(identity))
    assert church.sync(PERSON).report["older_taken"] == 0
    assert fetch(church.database, "SELECT count(*) FROM sync.superseded_records") == [(0,)]
    held = {row[0]: row[1] for row in versions(church, PERSON)}[identity]
    assert held.isoformat() == "2026-06-07T08:09:10+00:00"
    assert stored(church, PERSON) == 0


@dataclass
class Overtaken(AlteredSource):
    """A source whose record is written to by a webhook just as it was read by its id."""

    church: Synced
    identity: ExternalId

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        fresh = self.inner.read_record(entity, external_id, parent, ancestors)
        if external_id == self.identity:
            run(
                self.church.database,
                "UPDATE openfaith.people SET source_version = '2026-06-07T08:09:10Z', synced_at = now()"
                " WHERE org_id = %s AND type = %s AND external_id = %s",
                GRACE, entity, external_id,
            )  # fmt: skip
        return fresh


def test_a_page_may_overwrite_newer_only_where_its_evidence_names_the_version_held(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "new@x.org", at(9))]))
        walk.close()
    with walking(database) as walk:
        older = batch([email("1", "old@x.org", at(1))])
        for held, expected in ((at(8), "new@x.org"), (at(9), "old@x.org")):
            evidence = (OlderVersion(ExternalId("1"), at(1), held, is_ripe=True),)
            walk.store.commit_page(walk.lease, replace(walk.page(older), older=evidence))
            assert fetch(database, "SELECT address FROM openfaith.emails") == [(expected,)]
        kept = "SELECT record ->> 'address', version, taken_version FROM sync.superseded_records"
        assert fetch(database, kept) == [("new@x.org", at(9), at(1))]
        # From here on it is guarded again.
        walk.commit(batch([email("1", "older@x.org", at(0))]))
        assert fetch(database, "SELECT address FROM openfaith.emails") == [("old@x.org",)]


def watermark(church: Synced) -> Any:
    return fetch(church.database, "SELECT watermark FROM sync.checkpoints WHERE entity = %s", PHONE)[0][0]


def test_what_a_restored_source_shows_below_the_watermark_is_read_by_the_next_delta(
    synced: Callable[..., Synced],
) -> None:
    church = synced(PHONE)
    (identity,) = first(church, 1, PHONE)
    run(
        church.database,
        "UPDATE openfaith.phone_numbers SET source_version = '2001-01-01', synced_at = '2001-01-01'"
        " WHERE type = %s AND external_id = %s",
        PHONE, identity,
    )  # fmt: skip
    go_back(church, PHONE, [identity])
    church.sync(PHONE, SyncMode.DELTA)
    assert stored(church, PHONE) == 0
    moved = church.sync(PHONE).report["watermark_brought_back"]
    assert moved == watermark(church).isoformat()
    church.sync(PHONE, SyncMode.DELTA)
    assert stored(church, PHONE) == 1
    assert church.sync(PHONE).report["watermark_brought_back"] is None


def test_a_watermark_beyond_everything_that_is_listed_comes_back_to_it(synced: Callable[..., Synced]) -> None:
    church = synced(PHONE)
    newest = watermark(church)
    run(
        church.database,
        "UPDATE sync.checkpoints SET watermark = watermark + interval '1 hour' WHERE entity = %s",
        PHONE,
    )
    assert church.sync(PHONE).report["watermark_brought_back"] == newest.isoformat()
    assert watermark(church) == newest
    run(
        church.database,
        "UPDATE sync.checkpoints SET watermark = watermark + interval '4 minutes' WHERE entity = %s",
        PHONE,
    )
    # Within the overlap the next delta looks back far enough.
    assert church.sync(PHONE).report["watermark_brought_back"] is None
    assert watermark(church) == newest + timedelta(minutes=4)
