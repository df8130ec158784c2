"""An invitation connects one church, once: whoever opens it how often, and whatever goes wrong on the way."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection, ConnectionStatus, OAuthClient
from openfaith_sync.domain.errors import DefinitionError, NotAuthorized, UsageError
from openfaith_sync.domain.ids import AccountId, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import (
    OAuthBehaviour,
    RunningSimulator,
    SimulatorSettings,
    running_simulator,
)
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.connections.authorizations import begin_authorization
from openfaith_sync.store.connections.connections import (
    add_connection,
    confirm_connection,
    list_connections,
    load_connection,
    set_connection_status,
)
from openfaith_sync.store.connections.invitations import (
    InvitationState,
    InvitedConsent,
    find_invitation,
    invite,
    list_invitations,
    require_unused,
    revoke_invitations,
)
from openfaith_sync.store.connections.selections import select_only
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.planning import add_missing_work
from openfaith_sync.store.schedule.work import Plan
from openfaith_sync_tests.store.making import PCO, fetch, run
from openfaith_sync_tests.web.receiver import Receiver

GRACE = OrgId("grace")
SCOPES = frozenset({"people", "groups"})
NAME = "Church of the Demonstration"
WHO = 'Northside & "Friends" <b>'
HEADERS = ("cache-control", "content-security-policy", "referrer-policy", "x-content-type-options")


@pytest.fixture(scope="module")
def church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=3), pco_manifest) as simulator:
        yield simulator


@dataclass
class Invited:
    """Somebody of a church who was sent a link."""

    database: Database
    receiver: Receiver
    church: RunningSimulator
    link: str = ""

    def send(self, days: int = 7, org: OrgId = GRACE) -> str:
        redirect_uri = f"{self.receiver.url}/oauth/callback"
        base_url = self.church.base_url
        asked = {"asked_by": WHO, "base_url": base_url, "redirect_uri": redirect_uri, "scopes": SCOPES}
        self.link = invite(self.database, org, PCO, good_for=timedelta(days=days), **asked).link  # type: ignore[arg-type]
        return self.url

    @property
    def url(self) -> str:
        return f"{self.receiver.url}/invite/{self.link}"

    def is_now(self, state: InvitationState) -> bool:
        return list_invitations(self.database, GRACE)[0].state is state

    def open(self, url: str = "") -> httpx.Response:
        return httpx.get(url or self.url, trust_env=False, timeout=20)

    def press(self) -> httpx.Response:
        return httpx.post(self.url, trust_env=False, timeout=20)

    def agree(self) -> str:
        """Press the button, and return where the source sends the browser back to."""
        return httpx.get(self.press().headers["location"], trust_env=False).headers["location"]


@pytest.fixture
def invited(stored: Database, receiver: Receiver, church: RunningSimulator) -> Invited:
    for table in ("authorizations", "invitations", "selections", "work"):
        run(stored, f"DELETE FROM sync.{table}")
    church.clear_oauth()
    return Invited(stored, receiver, church)


def test_the_page_says_who_asks_for_what_and_uses_nothing_up(invited: Invited) -> None:
    invited.send()
    answer = invited.open()
    assert answer.status_code == 200
    assert "Northside &amp; &#34;Friends&#34; &lt;b&gt;" in answer.text
    assert "<b>" not in answer.text
    for text in (
        "<strong>grace</strong>",
        "Planning Center Online",
        "household memberships",
        "groups",
        "It only reads",
    ):
        assert text in answer.text
    assert '<form method="post"><button' in answer.text
    assert 'name="viewport"' in answer.text
    for foreign in ("src=", "href=", "http://", "https://", "<script", "<style"):
        assert foreign not in answer.text
    callback = httpx.get(f"{invited.receiver.url}/oauth/callback", trust_env=False)
    assert [answer.headers[name] for name in HEADERS] == [callback.headers[name] for name in HEADERS]
    assert httpx.head(invited.url, trust_env=False).status_code == 200
    assert invited.is_now(InvitationState.OPEN)
    assert fetch(invited.database, "SELECT FROM sync.authorizations") == []


def test_it_asks_for_no_more_than_was_chosen(invited: Invited) -> None:
    select_only(invited.database, GRACE, PCO, ("household",))
    invited.send()
    answer = invited.open()
    assert "households" in answer.text
    assert "emails" not in answer.text


def test_consent_is_a_connection_that_waits_for_a_person(invited: Invited, pco_manifest: Manifest) -> None:
    invited.send()
    answer = invited.press()
    assert answer.status_code == 303
    assert dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code_challenge_method"] == "S256"
    assert invited.open(invited.agree()).status_code == 200
    (listed,) = list_connections(invited.database)
    assert (listed.status, listed.organization) == (ConnectionStatus.UNCONFIRMED, NAME)
    assert listed.account == "400001"
    assert invited.is_now(InvitationState.USED)
    assert invited.open().status_code == invited.press().status_code == 400
    connection = load_connection(invited.database, GRACE, PCO)
    with pytest.raises(UsageError, match="waits for you to confirm it: openfaith-sync org confirm grace"):
        connection.require_usable()
    plan = Plan.of(pco_manifest, pco_manifest.graph.entities)
    assert add_missing_work(invited.database, plan) == 0
    assert confirm_connection(invited.database, GRACE, PCO, NAME)
    assert add_missing_work(invited.database, plan) > 0
    load_connection(invited.database, GRACE, PCO).require_usable()


def test_nothing_but_a_persons_word_makes_it_active(invited: Invited) -> None:
    invited.send()
    invited.open(invited.agree())
    database, connection = invited.database, load_connection(invited.database, GRACE, PCO)
    set_connection_status(database, GRACE, PCO, ConnectionStatus.PAUSED)
    assert set_connection_status(database, GRACE, PCO, ConnectionStatus.ACTIVE) is ConnectionStatus.UNCONFIRMED
    add_connection(database, replace(connection, credentials=BasicCredentials("a", "b")))
    assert load_connection(database, GRACE, PCO).status is ConnectionStatus.UNCONFIRMED
    with pytest.raises(DefinitionError, match="CheckViolation"):
        run(database, "UPDATE sync.connections SET status = 'active'")


def test_of_two_at_the_same_instant_one_connects(invited: Invited) -> None:
    invited.send()
    with ThreadPoolExecutor(2) as threads:
        ways = list(threads.map(lambda _: invited.agree(), range(2)))
        answers = list(threads.map(invited.open, ways))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    assert fetch(invited.database, "SELECT count(*) FROM sync.connections") == [(1,)]
    # Who reloads the page that connected is told so; the other stays refused.
    assert [invited.open(way).status_code for way in ways] == [answer.status_code for answer in answers]


def test_of_two_that_store_at_the_same_instant_one_does(invited: Invited) -> None:
    invited.send()
    database, found = invited.database, find_invitation(invited.database, invited.link)
    connection = Connection(GRACE, PCO, invited.church.base_url, BasicCredentials("a", "b"))

    def store(number: int) -> bool:
        consent = InvitedConsent(found.secret_hash, bytes([number]))
        require_unused(database, GRACE, PCO, consent)
        try:
            add_connection(database, connection, invited=consent)
        except NotAuthorized:
            return False
        return True

    with database.connect_fleet() as session, ThreadPoolExecutor(2) as threads:
        with session.transaction():
            session.execute("SELECT FROM sync.invitations FOR UPDATE")
            storing = [threads.submit(store, number) for number in range(2)]
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            while fetch(database, waiting) != [(2,)]:
                assert not any(one.done() for one in storing)
        assert sorted(one.result() for one in storing) == [False, True]
    winner = [one.result() for one in storing].index(True)
    # Whoever does not know whether that succeeded may repeat it.
    assert store(winner)
    with pytest.raises(NotAuthorized):
        store(1 - winner)


def test_who_declines_may_try_again(invited: Invited) -> None:
    invited.send()
    invited.church.set_oauth_behaviour(OAuthBehaviour(consent="deny"))
    answer = invited.open(invited.agree())
    assert answer.status_code == 400
    assert "the person declined. Open the invitation that you were sent once more" in answer.text
    assert invited.is_now(InvitationState.OPEN)
    invited.church.set_oauth_behaviour(OAuthBehaviour())
    assert invited.open(invited.agree()).status_code == 200
    assert invited.is_now(InvitationState.USED)


def test_a_withdrawn_one_connects_nothing_even_if_consent_is_under_way(invited: Invited) -> None:
    invited.send()
    back = invited.agree()
    assert revoke_invitations(invited.database, GRACE) == 1
    assert invited.open(back).status_code == 400
    assert invited.open().status_code == 400
    assert list_connections(invited.database) == []
    assert revoke_invitations(invited.database, GRACE) == 0
    # A new one is good again, and the link of the old one is not.
    old = invited.url
    invited.send()
    assert invited.open(old).status_code == 400
    assert invited.open().status_code == 200


def test_an_expired_one_is_not_valid_but_who_began_in_time_may_finish(invited: Invited) -> None:
    invited.send()
    back = invited.agree()
    run(invited.database, "UPDATE sync.invitations SET expires_at = now()")
    assert invited.is_now(InvitationState.EXPIRED)
    assert (invited.open().status_code, invited.press().status_code) == (400, 400)
    assert invited.open(back).status_code == 200


def test_every_invalid_link_is_the_same_answer(invited: Invited) -> None:
    invited.send()
    adapter, org, secret = invited.link.split(".")
    links = (
        "x", "x" * 5000, f"{adapter}.{org}.{'A' * 43}", f"{adapter}.other.{secret}", f"abc.{org}.{secret}",
        f"{adapter}.{org}.{secret[:-1]}", f"{adapter}.gr%00ce.{secret}", f"{adapter}.{org}.{secret}x", "..%2f",
    )  # fmt: skip
    answers = [invited.open(f"{invited.receiver.url}/invite/{link}") for link in links]
    shown = [answer for answer in answers if answer.status_code != 404]
    assert {answer.status_code for answer in shown} == {400}
    assert len({answer.text for answer in shown}) == 1
    assert len(shown) >= len(links) - 1


def test_the_database_holds_the_hash_only(invited: Invited) -> None:
    invited.send()
    invited.open(invited.agree())
    secret = invited.link.rpartition(".")[2]
    digest = hashlib.sha256(invited.link.encode()).digest()
    assert fetch(invited.database, "SELECT secret_hash FROM sync.invitations") == [(digest,)]
    tables = fetch(
        invited.database, "SELECT relname FROM pg_class WHERE relnamespace = 'sync'::regnamespace AND relkind = 'r'"
    )
    for (table,) in tables:
        for (row,) in fetch(invited.database, f"SELECT t::text FROM sync.{table} t"):
            assert secret not in row
            assert secret.encode().hex() not in row


def test_the_wrong_church_connects_nothing_to_an_org_that_has_records(invited: Invited) -> None:
    known = Connection(GRACE, PCO, invited.church.base_url, BasicCredentials("a", "b"), account=AccountId("7"))
    add_connection(invited.database, known)
    invited.send()
    assert invited.open(invited.agree()).status_code == 502
    connection = load_connection(invited.database, GRACE, PCO)
    assert (connection.credentials, connection.account) == (BasicCredentials("a", "b"), "7")
    # The right one may still use it.
    assert invited.is_now(InvitationState.OPEN)


def test_the_right_church_that_connects_again_needs_no_confirmation(invited: Invited) -> None:
    known = Connection(GRACE, PCO, invited.church.base_url, BasicCredentials("a", "b"), account=AccountId("400001"))
    add_connection(invited.database, known)
    run(invited.database, "UPDATE sync.connections SET status = 'reconnect_needed'")
    invited.send()
    assert invited.open(invited.agree()).status_code == 200
    assert load_connection(invited.database, GRACE, PCO).status is ConnectionStatus.ACTIVE


def test_a_removed_org_is_not_invited_any_more(invited: Invited) -> None:
    invited.send()
    disconnect_org(invited.database, GRACE)
    assert invited.open().status_code == 400


def test_one_link_begins_few_consents(invited: Invited) -> None:
    hope = OrgId("hope")
    invited.send(org=hope)
    statuses = [invited.press().status_code for _ in range(21)]
    assert statuses == [303] * 20 + [429]
    invited.send()
    assert invited.press().status_code == 303


def test_a_state_of_another_org_uses_no_invitation(invited: Invited, pco_manifest: Manifest) -> None:
    invited.send()
    redirect = f"{invited.receiver.url}/oauth/callback"
    begun = begin_authorization(invited.database, OrgId("hope"), PCO, invited.church.base_url, redirect, SCOPES)
    client = OAuthClient("demo-client", "demo-client-secret")
    endpoints = OAuthEndpoints(pco_manifest.adapter_file, invited.church.base_url, client)
    link = endpoints.link(redirect, SCOPES, begun.state, begun.verifier)
    assert invited.open(httpx.get(link, trust_env=False).headers["location"]).status_code == 200
    assert load_connection(invited.database, OrgId("hope"), PCO).status is ConnectionStatus.ACTIVE
    assert invited.is_now(InvitationState.OPEN)
