"""A connection belongs to one account of its source: nothing of another church is stored, and nothing ours deleted."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from openfaith_sync.adapters.client.account import MAX_UNCONFIRMED_ABSENCES
from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.adapters.dialects.port import RecordSource
from openfaith_sync.adapters.sources import open_subscription_source
from openfaith_sync.domain.connections.connection import ConnectionStatus, OAuthTokens
from openfaith_sync.domain.errors import AnotherAccount, ReconnectRequired
from openfaith_sync.domain.ids import AccountId, EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.connections.accounts import ConnectionAccount, load_account
from openfaith_sync.store.connections.authorizations import begin_authorization, load_progress
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.web.oauth_completion import complete_authorization
from openfaith_sync_tests.laws.bound_church import GRACE, OTHER, OTHER_SEED, OWN, BoundChurch
from openfaith_sync_tests.laws.sharing import CLIENT, watch
from openfaith_sync_tests.store.making import PCO, fetch, run
from openfaith_sync_tests.store.present_alerts import present_alerts
from openfaith_sync_tests.web.making import body, headers, part, subscribe
from openfaith_sync_tests.web.receiver import running_receiver

PEOPLE = 240
PERSON = EntityName("person")
SCOPES = frozenset({"people", "groups"})


@pytest.fixture(scope="module")
def simulator(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    settings = SimulatorSettings(people=PEOPLE, rate=parse_rate("1000000/20"))
    with running_simulator(settings, pco_manifest) as running:
        yield running


@pytest.fixture
def church(database: Database, pco_manifest: Manifest, simulator: RunningSimulator) -> Iterator[BoundChurch]:
    bound = BoundChurch(database, pco_manifest, simulator)
    bound.add()
    yield bound
    simulator.answer_for(None)
    simulator.clear_requests()


def assert_stopped(church: BoundChurch) -> None:
    """Assert that the connection stands still, and that one alert tells what to do."""
    assert church.connection.status is ConnectionStatus.RECONNECT_NEEDED
    with pytest.raises(ReconnectRequired, match=f"answers for its account {OTHER}, but grace is connected to.*{OWN}"):
        church.connection.require_usable()
    (alert,) = present_alerts(church.database)
    assert alert.cause == "connection"
    assert alert.command.startswith(f"openfaith-sync org add grace --adapter {PCO}")
    assert f"openfaith-sync org move grace --adapter {PCO}" in alert.detail
    assert load_account(church.database, GRACE, PCO) == OWN


@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.DELTA, SyncMode.RECONCILIATION])
@pytest.mark.parametrize("entity", ["person", "group"])
def test_a_sync_that_meets_another_church_stores_and_deletes_nothing(
    church: BoundChurch, mode: SyncMode, entity: str
) -> None:
    church.sync(entity)
    before = church.rows()
    church.simulator.answer_for(OTHER_SEED)
    with pytest.raises(AnotherAccount, match=f"account {OTHER}.*account {OWN}"):
        church.sync(entity, mode)
    assert church.rows() == before
    assert_stopped(church)


def test_a_token_that_answers_for_another_church_in_the_middle_of_a_walk_stores_none_of_it(church: BoundChurch) -> None:
    other = set(known_to(church, OTHER_SEED))
    church.simulator.answer_for(OTHER_SEED, PEOPLE, at_request=2)
    with pytest.raises(AnotherAccount):
        church.sync("person", SyncMode.FULL)
    stored = {external_id for entity, external_id, *_ in church.rows() if entity == "person"}
    assert stored <= set(church.simulator.truth("person"))
    assert not stored & other
    assert_stopped(church)
    church.simulator.answer_for(None)
    church.add()
    assert present_alerts(church.database) == []
    church.sync("person", SyncMode.FULL)
    assert {row[1] for row in church.rows() if row[0] == "person"} == set(church.simulator.truth("person"))


def known_to(church: BoundChurch, seed: int) -> list[str]:
    church.simulator.answer_for(seed, PEOPLE)
    url, auth = f"{church.simulator.base_url}/people/v2/people?per_page=100", ("demo", "demo")
    found = [record["id"] for record in httpx.get(url, auth=auth, trust_env=False).json()["data"]]
    church.simulator.answer_for(None)
    return found


def test_a_reconciliation_against_another_church_deletes_nothing_and_the_next_one_is_right(church: BoundChurch) -> None:
    church.sync("email")
    before = church.rows()
    church.simulator.answer_for(OTHER_SEED, PEOPLE)
    for _ in range(2):
        with pytest.raises(ReconnectRequired):
            church.sync("email", SyncMode.RECONCILIATION)
    church.simulator.answer_for(None)
    church.add()
    church.sync("email", SyncMode.RECONCILIATION)
    assert church.rows() == before
    assert fetch(church.database, "SELECT count(*) FROM sync.holds") == [(0,)]


@pytest.mark.parametrize(("parent", "nested"), [("household", "household_membership"), ("group", "group_membership")])
def test_nested_lists_that_another_church_does_not_know_are_no_evidence(
    church: BoundChurch, parent: str, nested: str
) -> None:
    church.sync(parent)
    church.sync(nested)
    before = church.rows()
    church.simulator.answer_for(OTHER_SEED)
    with pytest.raises(AnotherAccount):
        church.sync(nested, SyncMode.FULL)
    assert church.rows() == before
    assert_stopped(church)


def test_records_that_another_church_does_not_know_are_no_evidence(church: BoundChurch) -> None:
    church.sync("person")
    before = church.rows()
    now = datetime.now(tz=UTC)
    church.receive(
        *(
            InboxEvent(f"e-{number}", "x", PERSON, ExternalId(number), EventAction.DESTROYED, event_time=now)
            for number in sorted(church.simulator.truth("person"))[:30]
        )
    )
    church.simulator.answer_for(OTHER_SEED)
    with pytest.raises(AnotherAccount):
        church.drain()
    assert church.rows() == before
    assert fetch(church.database, "SELECT count(*) FROM sync.webhook_events WHERE done_at IS NOT NULL") == [(0,)]
    assert_stopped(church)


def read_many_gone(source: RecordSource) -> None:
    for number in range(3 * MAX_UNCONFIRMED_ABSENCES):
        source.read_record(PERSON, ExternalId(f"99{number}"))


READS: dict[str, Callable[[RecordSource], object]] = {
    "a page": lambda source: source.read_page(ListingQuery(PERSON)),
    "a page of ids": lambda source: source.read_page(ListingQuery(PERSON, is_sparse=True)),
    "merges": lambda source: source.read_merges(ListingQuery(PERSON)),
    "what is not found": lambda source: source.read_record(PERSON, ExternalId("999")),
    "whom the credentials are of": lambda source: source.read_account(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_every_answer_is_checked(church: BoundChurch, read: Callable[[RecordSource], object]) -> None:
    church.simulator.answer_for(OTHER_SEED)
    with church.source() as source, pytest.raises(AnotherAccount):
        read(source)
    assert_stopped(church)


def test_a_record_and_a_subscription_of_another_church_are_not_taken(church: BoundChurch) -> None:
    (other, *_) = known_to(church, OTHER_SEED)
    church.simulator.answer_for(OTHER_SEED, PEOPLE)
    with church.source() as source, pytest.raises(AnotherAccount):
        source.read_record(PERSON, ExternalId(other))
    church.add()
    connection = church.connection
    shared = watch(church.database, connection)
    with (
        open_subscription_source(church.manifest, connection, shared) as subscriptions,
        pytest.raises(AnotherAccount),
    ):
        subscriptions.list_subscriptions()


def test_not_found_is_proven_again_after_a_while(church: BoundChurch) -> None:
    with church.source() as source:
        read_many_gone(source)
        verified = [r for r in church.simulator.requests() if r["path"] == "/current/v2/me"]
        assert len(verified) == 3
        church.simulator.answer_for(OTHER_SEED)
        with pytest.raises(AnotherAccount):
            read_many_gone(source)
    assert_stopped(church)


def test_a_source_that_does_not_find_its_own_account_proves_nothing_gone(church: BoundChurch) -> None:
    church.simulator.fault(Fault(kind="status", status=404, path="/current/v2/me"))
    with church.source() as source, pytest.raises(Exception, match="'not found' responses do not count as deletions"):
        source.read_record(PERSON, ExternalId("999"))
    church.simulator.clear_faults()


def test_a_connection_made_before_accounts_were_kept_learns_its_own_at_the_first_answer(church: BoundChurch) -> None:
    run(church.database, "DELETE FROM sync.accounts")
    assert church.connection.account is None
    church.sync("campus")
    assert church.connection.account == OWN
    church.simulator.answer_for(OTHER_SEED)
    with pytest.raises(AnotherAccount):
        church.sync("campus")
    assert_stopped(church)


def test_of_many_that_learn_at_once_one_is_believed(church: BoundChurch) -> None:
    run(church.database, "DELETE FROM sync.accounts")
    account = ConnectionAccount(church.database, church.connection)
    with ThreadPoolExecutor(8) as threads:
        learnt = set(threads.map(account.learn, [AccountId(f"40000{number}") for number in range(8)]))
    assert learnt == {load_account(church.database, GRACE, PCO)}


def test_other_credentials_of_the_same_church_go_on(church: BoundChurch) -> None:
    church.sync("campus")
    church.add()
    church.add(account=None)
    assert church.connection.account == OWN
    assert church.sync("campus").counts.tombstoned == 0


def test_credentials_of_another_church_replace_nothing(church: BoundChurch) -> None:
    before = church.connection
    with pytest.raises(AnotherAccount, match="org move grace"):
        church.add(account=OTHER)
    assert church.connection == before


def consent(church: BoundChurch) -> tuple[str, str]:
    """Return the state and the code that come back once somebody has agreed."""
    redirect = "http://127.0.0.1:1/oauth/callback"
    base_url = church.simulator.base_url
    begun = begin_authorization(church.database, GRACE, PCO, base_url, redirect, SCOPES)
    endpoints = OAuthEndpoints(church.manifest.adapter_file, base_url, CLIENT)
    link = endpoints.link(redirect, SCOPES, begun.state, begun.verifier)
    query = parse_qs(urlsplit(httpx.get(link, trust_env=False).headers["location"]).query)
    return query["state"][0], query["code"][0]


def test_a_volunteer_of_two_churches_who_agrees_for_the_other_one_replaces_nothing(church: BoundChurch) -> None:
    database = replace(church.database, oauth_clients={PCO: CLIENT})
    before = church.connection
    state, code = consent(church)
    church.simulator.answer_for(OTHER_SEED)
    with pytest.raises(AnotherAccount, match=f"account {OTHER}"):
        complete_authorization(database, {PCO: church.manifest}, state, code)
    assert church.connection == before
    assert f"org move grace --adapter {PCO}" in (load_progress(database, state).failure or "")
    church.simulator.answer_for(None)
    assert not complete_authorization(database, {PCO: church.manifest}, *consent(church)).is_new
    assert isinstance(church.connection.credentials, OAuthTokens)
    assert church.connection.account == OWN


def test_an_org_that_is_connected_by_consent_is_bound_to_that_church(church: BoundChurch) -> None:
    run(church.database, "DELETE FROM sync.accounts")
    run(church.database, "DELETE FROM sync.connections")
    database = replace(church.database, oauth_clients={PCO: CLIENT})
    assert complete_authorization(database, {PCO: church.manifest}, *consent(church)).is_new
    assert church.connection.account == OWN


def test_an_org_that_was_removed_stays_bound_while_its_records_are_here(church: BoundChurch) -> None:
    church.sync("campus")
    run(church.database, "DELETE FROM sync.connections")
    with pytest.raises(AnotherAccount):
        church.add(account=OTHER)
    with pytest.raises(Exception, match="is not connected"):
        load_connection(church.database, GRACE, PCO)


def test_a_webhook_event_of_another_church_is_kept_apart(church: BoundChurch) -> None:
    subscribe(church.database)
    run(church.database, "UPDATE sync.accounts SET account_id = '456240'")
    own, foreign = part("e-own"), part("e-foreign")
    foreign["relationships"]["organization"]["data"]["id"] = OTHER
    in_payload = part("e-payload", parent={"type": "Organization", "id": OTHER})
    del in_payload["relationships"]
    silent = part("e-silent")
    del silent["relationships"]
    content = body(own, foreign, in_payload, silent)
    with running_receiver(church.database) as receiver:
        answer = httpx.post(receiver.at(GRACE), content=content, headers=headers(content), trust_env=False)
    assert answer.status_code == 200
    waiting = "SELECT event_id FROM sync.webhook_events WHERE outcome IS NULL ORDER BY event_id"
    assert fetch(church.database, waiting) == [("e-own",), ("e-silent",)]
    apart = "SELECT event_id, payload->>'reason' FROM sync.webhook_events WHERE outcome = 'malformed' ORDER BY event_id"
    assert fetch(church.database, apart) == [
        (f"another account:{event}", f"the event is of the source's account {OTHER}, but {rest}")
        for event in ("e-foreign", "e-payload")
        for rest in ("the org is connected to account 456240",)
    ]
