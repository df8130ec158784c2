"""The way back from consent: one state is one connection, and every state that is not good is one answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.domain.connections.connection import ConnectionStatus, OAuthClient, OAuthTokens
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import (
    Fault,
    OAuthBehaviour,
    RunningSimulator,
    SimulatorSettings,
    running_simulator,
)
from openfaith_sync.store.connections.authorizations import AuthorizationProgress, begin_authorization, load_progress
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import PCO, fetch, run
from openfaith_sync_tests.web.receiver import Receiver

GRACE = OrgId("grace")
SCOPES = frozenset({"people", "groups"})
CLIENT = OAuthClient("demo-client", "demo-client-secret")


@pytest.fixture(scope="module")
def church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=3), pco_manifest) as simulator:
        yield simulator


@dataclass
class Person:
    """Somebody of an org, with a browser."""

    database: Database
    receiver: Receiver
    church: RunningSimulator
    manifest: Manifest
    state: str = ""

    def begin(self, org: OrgId = GRACE) -> str:
        """Return the link that `org connect` prints."""
        redirect = f"{self.receiver.url}/oauth/callback"
        begun = begin_authorization(self.database, org, PCO, self.church.base_url, redirect, SCOPES)
        self.state = begun.state
        endpoints = OAuthEndpoints(self.manifest.adapter_file, self.church.base_url, CLIENT)
        return endpoints.link(redirect, SCOPES, begun.state, begun.verifier)

    def agree(self) -> str:
        """Return where the source sends the browser to."""
        return httpx.get(self.begin(), trust_env=False).headers["location"]

    def open(self, url: str) -> httpx.Response:
        return httpx.get(url, trust_env=False, timeout=20)

    @property
    def version(self) -> int:
        return int(fetch(self.database, "SELECT credentials_version FROM sync.connections")[0][0])

    @property
    def progress(self) -> AuthorizationProgress:
        return load_progress(self.database, self.state)


@pytest.fixture
def person(stored: Database, receiver: Receiver, church: RunningSimulator, pco_manifest: Manifest) -> Person:
    run(stored, "DELETE FROM sync.authorizations")
    church.clear_oauth()
    church.clear_faults()
    return Person(stored, receiver, church, pco_manifest)


def changed(url: str, **parameters: str) -> str:
    query = dict(parse_qsl(urlsplit(url).query)) | parameters
    return url.partition("?")[0] + "?" + urlencode(query)


def test_consent_is_a_connection(person: Person) -> None:
    answer = person.open(person.agree())
    assert answer.status_code == 200
    assert "grace is connected to Planning Center Online" in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    connection = load_connection(person.database, GRACE, PCO)
    assert isinstance(connection.credentials, OAuthTokens)
    assert connection.credentials.scopes == SCOPES
    assert (connection.base_url, connection.status) == (person.church.base_url, ConnectionStatus.ACTIVE)
    for secret in (connection.credentials.access_token, connection.credentials.refresh_token, person.state):
        assert secret not in answer.text
    assert person.progress.is_finished
    assert person.progress.failure is None


def test_what_is_stored_gives_no_state_away(person: Person) -> None:
    url = person.agree()
    row = fetch(person.database, "SELECT state_hash, verifier FROM sync.authorizations")[0]
    query = dict(parse_qsl(urlsplit(url).query))
    for secret in (query["state"], query["code"]):
        assert secret.encode() not in b"".join(row)


def test_a_code_is_exchanged_once_and_a_reload_says_that_the_church_is_connected(person: Person) -> None:
    url = person.agree()
    first = person.open(url)
    version = person.version
    again = person.open(url)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.text == first.text
    # The simulator would have ended the grant of a code that comes twice.
    assert [grant["is_revoked"] for grant in person.church.oauth()["grants"]] == [False]
    assert fetch(person.database, "SELECT count(*) FROM sync.connections") == [(1,)]
    assert person.version == version


def test_of_some_at_the_same_instant_one_connects_and_the_others_say_so_or_load_again(person: Person) -> None:
    url = person.agree()
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(person.open, [url] * 4))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert 200 in {answer.status_code for answer in answers}
    for answer in answers:
        assert ("refresh" in answer.headers) == (answer.status_code == 202)
    assert [grant["is_revoked"] for grant in person.church.oauth()["grants"]] == [False]
    assert person.open(url).status_code == 200


def test_a_page_that_was_left_before_it_was_done_loads_again(person: Person) -> None:
    url = person.agree()
    run(person.database, "UPDATE sync.authorizations SET used_at = now()")
    waiting = person.open(url)
    assert (waiting.status_code, waiting.headers["refresh"]) == (202, "2")
    assert "grace is being connected" in waiting.text
    run(person.database, "UPDATE sync.authorizations SET expires_at = now() - interval '1 hour'")
    assert person.open(url).status_code == 400


def test_a_head_spends_nothing_and_foretells_the_answer(person: Person) -> None:
    url = person.agree()
    for _ in range(2):
        answer = httpx.head(url, trust_env=False)
        assert (answer.status_code, answer.content) == (200, b"")
    assert not person.progress.is_used
    assert httpx.head(changed(url, state="x"), trust_env=False).status_code == 400
    assert person.open(url).status_code == 200
    assert httpx.head(url, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
    ],
)
def test_what_a_browser_fetches_ahead_spends_nothing(person: Person, name: str, value: str) -> None:
    url = person.agree()
    assert httpx.get(url, headers={name: value}, trust_env=False).status_code == 503
    assert not person.progress.is_used
    assert person.open(url).status_code == 200


def test_a_slash_at_the_end_is_answered_here_and_never_redirected_to_a_foreign_host(person: Person) -> None:
    path, _, query = person.agree().partition("?")
    answer = httpx.get(f"{path}/?{query}", headers={"Host": "evil.example"}, trust_env=False)
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert "grace is connected" in answer.text
    for more in (f"{path}//?{query}", f"{path}/x/?{query}", f"{person.receiver.url}//oauth/callback/?{query}"):
        answer = httpx.get(more, headers={"Host": "evil.example"}, trust_env=False)
        assert (answer.status_code, answer.headers.get("location")) == (404, None)


def test_every_state_that_is_not_good_is_the_same_answer(person: Person) -> None:
    used = changed(person.agree(), code="c0de-of-a-stranger")
    assert person.open(used).status_code == 502
    old = person.agree()
    run(person.database, "UPDATE sync.authorizations SET expires_at = now() WHERE used_at IS NULL")
    good = person.agree()
    state = person.state
    base, query = good.partition("?")[0], dict(parse_qsl(urlsplit(good).query))
    bad = [
        used,
        old,
        base,
        changed(good, state="x"),
        changed(good, state=state[:-1] + ("A" if state[-1] != "A" else "B")),
        changed(good, state=state.replace("grace", "other")),
        changed(good, state=state.replace("pco", "abc")),
        changed(good, state=state.replace("grace", "gr\x00ce")),
        changed(good, code=""),
        changed(good, code="c" * 5000),
        changed(good, error="access_denied"),
        f"{base}?state={query['state']}",
        f"{good}&state={query['state']}",
    ]
    answers = [person.open(url) for url in bad]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.text for answer in answers}) == 1
    assert "no longer valid" in answers[0].text
    assert person.open(good).status_code == 200


def test_who_does_not_agree_is_told_so_and_so_is_whoever_waits(person: Person) -> None:
    person.church.set_oauth_behaviour(OAuthBehaviour(consent="deny"))
    url = person.agree()
    answer = person.open(url)
    assert answer.status_code == 400
    assert "grace is not connected: the person declined" in answer.text
    assert person.progress.failure == "the person declined"
    assert person.open(url).status_code == 400
    with pytest.raises(UsageError):
        load_connection(person.database, GRACE, PCO)


def test_a_code_that_the_source_refuses_is_said_without_it(person: Person) -> None:
    answer = person.open(changed(person.agree(), code="c0de-of-a-stranger"))
    assert answer.status_code == 502
    assert "Not connected" in answer.text
    assert person.progress.failure is not None
    assert "Planning Center Online answered 400 to the authorization_code" in person.progress.failure
    assert "c0de" not in answer.text + person.progress.failure


def test_a_database_that_is_away_is_not_described_to_strangers(person: Person) -> None:
    url = person.agree()
    run(person.database, "ALTER TABLE sync.authorizations RENAME TO gone")
    try:
        answer = person.open(url)
    finally:
        run(person.database, "ALTER TABLE sync.gone RENAME TO authorizations")
    assert answer.status_code == 502
    assert "authorizations" not in answer.text
    assert person.open(url).status_code == 200


def test_connecting_again_makes_it_active_with_the_new_tokens(person: Person) -> None:
    person.open(person.agree())
    first = load_connection(person.database, GRACE, PCO).version
    run(person.database, "UPDATE sync.connections SET status = 'reconnect_needed', status_reason = 'revoked'")
    assert person.open(person.agree()).status_code == 200
    connection = load_connection(person.database, GRACE, PCO)
    assert (connection.status, connection.version) == (ConnectionStatus.ACTIVE, first + 1)


def test_tokens_that_the_source_refuses_at_once_are_kept_and_said(person: Person) -> None:
    url = person.agree()
    person.church.fault(Fault(kind="status", status=401, path="/current/v2/me"))
    assert person.open(url).status_code == 502
    assert person.progress.failure is not None
    assert "the source refuses the tokens it issued" in person.progress.failure
    connection = load_connection(person.database, GRACE, PCO)
    assert connection.status is ConnectionStatus.RECONNECT_NEEDED
    person.church.clear_faults()
    assert person.open(person.agree()).status_code == 200


@pytest.mark.parametrize("status", [403, 503])
def test_all_else_that_goes_wrong_at_first_loses_no_tokens(person: Person, status: int) -> None:
    url = person.agree()
    person.church.fault(Fault(kind="status", status=status, path="/current/v2/me"))
    assert person.open(url).status_code == 200
    assert load_connection(person.database, GRACE, PCO).status is ConnectionStatus.ACTIVE
    assert person.progress.is_finished


def test_a_verifier_under_a_key_that_is_gone_ends_the_waiting(person: Person) -> None:
    url = person.agree()
    run(person.database, "UPDATE sync.authorizations SET verifier = 'x'")
    assert person.open(url).status_code == 502
    assert person.progress.failure is not None
    assert "OPENFAITH_SECRET_KEYS" in person.progress.failure


def test_other_verbs_are_not_there(person: Person) -> None:
    assert httpx.post(f"{person.receiver.url}/oauth/callback", trust_env=False).status_code == 405
