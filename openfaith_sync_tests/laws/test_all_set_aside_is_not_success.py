"""Law 12: a sync that sets most of its records aside has failed, and says so until they are stored."""

from collections.abc import Callable

import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.errors import MostlyRejected
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent, RecordsResult
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.synced_church import EMAIL, GRACE, GROUP, PEOPLE, PERSON, Synced
from openfaith_sync_tests.store.making import fetch, run

MEMBER = EntityName("group_membership")
BAD = "Unstorable"


def refuse(church: Synced, table: str, condition: str) -> None:
    """Make the database refuse records that no mapping would catch."""
    run(church.database, f"ALTER TABLE openfaith.{table} ADD CONSTRAINT refused CHECK (NOT ({condition})) NOT VALID")


def accept(church: Synced, table: str) -> None:
    run(church.database, f"ALTER TABLE openfaith.{table} DROP CONSTRAINT refused")


def spoil(church: Synced, count: int) -> list[str]:
    spoilt = sorted(church.truth(PERSON), key=int)[:count]
    for identity in spoilt:
        church.simulator.change("person", identity, {"last_name": BAD})
    return spoilt


def waiting(church: Synced) -> int:
    return int(fetch(church.database, "SELECT count(*) FROM sync.dead_letters WHERE resolved_at IS NULL")[0][0])


def test_a_church_whose_records_are_all_set_aside_fails_until_they_are_stored(synced: Callable[..., Synced]) -> None:
    church = synced()
    refuse(church, "people", "true")
    for _ in range(2):
        with pytest.raises(MostlyRejected, match=f"{PEOPLE} of the {PEOPLE} records of grace/pco/person"):
            church.sync(PERSON, SyncMode.AUTO)
        assert (church.live(PERSON), waiting(church)) == (set(), PEOPLE)
    accept(church, "people")
    church.sync(PERSON, SyncMode.FULL)
    assert (church.live(PERSON), waiting(church)) == (church.truth(PERSON), 0)


@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.RECONCILIATION])
def test_more_than_the_orgs_share_fails_every_mode_while_the_rest_is_stored(
    synced: Callable[..., Synced], mode: SyncMode
) -> None:
    church = synced()
    refuse(church, "people", f"last_name = '{BAD}'")
    spoilt = spoil(church, PEOPLE * 3 // 10)
    with pytest.raises(MostlyRejected, match=r"72 of the 240 .* \(30%; grace allows 20%\)"):
        church.sync(PERSON, mode)
    assert church.live(PERSON) == church.truth(PERSON) - set(spoilt)
    # The next sync reads few of them or none, and they are still missing.
    with pytest.raises(MostlyRejected):
        church.sync(PERSON, SyncMode.AUTO)
    set_org(church.database, GRACE, rejected_share=0.3)
    assert church.sync(PERSON, mode).counts.dead == len(spoilt)


def test_a_delta_that_sets_most_of_its_few_records_aside_fails_and_keeps_the_older_rows(
    synced: Callable[..., Synced],
) -> None:
    church = synced(PERSON)
    refuse(church, "people", f"last_name = '{BAD}'")
    spoil(church, 30)
    # Besides those that changed it reads what lies in the overlap.
    with pytest.raises(MostlyRejected, match=r"30 of the 3\d records .* that are read now"):
        church.sync(PERSON, SyncMode.DELTA)
    assert (len(church.live(PERSON)), waiting(church)) == (PEOPLE, 30)


def test_a_few_records_set_aside_are_dead_letters_and_no_failure(synced: Callable[..., Synced]) -> None:
    church = synced()
    refuse(church, "people", f"last_name = '{BAD}'")
    spoilt = spoil(church, 24)
    assert church.sync(PERSON, SyncMode.AUTO).counts.dead == len(spoilt) == waiting(church)


def test_children_that_rode_along_and_were_all_set_aside_fail(synced: Callable[..., Synced]) -> None:
    church = synced()
    refuse(church, "emails", "true")
    church.sync(PERSON, SyncMode.FULL)
    with pytest.raises(MostlyRejected, match="grace/pco/email"):
        church.sync(EMAIL, SyncMode.AUTO)


def test_nested_records_that_are_all_set_aside_fail(synced: Callable[..., Synced]) -> None:
    church = synced(GROUP)
    refuse(church, "group_memberships", "true")
    with pytest.raises(MostlyRejected, match="grace/pco/group_membership"):
        church.sync(MEMBER, SyncMode.AUTO)
    accept(church, "group_memberships")
    church.sync(MEMBER, SyncMode.FULL)
    assert church.live(MEMBER) == church.truth(MEMBER)


def drain(church: Synced) -> RecordsResult:
    connection = Connection(GRACE, church.manifest.adapter, church.simulator.base_url, BasicCredentials("demo", "demo"))
    with (
        open_store(church.database, GRACE) as store,
        open_source(church.manifest, connection, attempts=1) as source,
    ):
        return run_records(Session(church.manifest, source, store, GRACE, "test"))


@pytest.mark.parametrize(("announced", "is_failure"), [(30, True), (1, False)])
def test_an_inbox_whose_records_are_all_set_aside_fails_with_every_event_settled(
    synced: Callable[..., Synced], announced: int, is_failure: bool
) -> None:
    church = synced(PERSON)
    refuse(church, "people", f"last_name = '{BAD}'")
    events = [
        InboxEvent(f"e{identity}", "person.updated", PERSON, ExternalId(identity), EventAction.UPDATED)
        for identity in spoil(church, announced)
    ]
    receive(church.database, GRACE, church.manifest.adapter, events)
    if is_failure:
        with pytest.raises(MostlyRejected, match="30 of the 30 records of grace/pco/person"):
            drain(church)
    else:
        assert drain(church).counts[PERSON].dead == 1
    assert fetch(church.database, "SELECT count(*) FROM sync.webhook_events WHERE done_at IS NULL") == [(0,)]
    assert (waiting(church), drain(church).events) == (announced, 0)
    versions = fetch(church.database, "SELECT DISTINCT manifest_version, page, is_whole FROM sync.dead_letters")
    assert versions == [(church.manifest.entity_fingerprint(PERSON), None, True)]
