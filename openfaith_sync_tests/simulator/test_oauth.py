"""The OAuth server: consent with PKCE, tokens for one use, families that end together, and both bodies of a 401."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from openfaith_sync.simulator.server.server import Fault, OAuthBehaviour, RunningSimulator

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CLIENT = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
REDIRECT = "https://sync.example/oauth/callback?kept=1"
PEOPLE, GROUPS = "/people/v2/people", "/groups/v2/groups"


@pytest.fixture
def sim(moving: RunningSimulator) -> Iterator[RunningSimulator]:
    moving.clear_oauth()
    yield moving
    moving.clear_oauth()


def authorize(sim: RunningSimulator, **changed: str) -> httpx.Response:
    asked = {
        "client_id": "demo-client",
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "people groups",
        "state": "s7ate",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return httpx.get(f"{sim.base_url}/oauth/authorize", params=asked | changed)


def code_of(answer: httpx.Response) -> str:
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def token(sim: RunningSimulator, **form: str) -> httpx.Response:
    return httpx.post(f"{sim.base_url}/oauth/token", data=CLIENT | form)


def exchange(sim: RunningSimulator, code: str, **changed: str) -> httpx.Response:
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    return token(sim, **(asked | changed))


def refresh(sim: RunningSimulator, pair: dict[str, Any]) -> httpx.Response:
    return token(sim, grant_type="refresh_token", refresh_token=pair["refresh_token"])


def read(sim: RunningSimulator, pair: dict[str, Any], path: str = PEOPLE) -> httpx.Response:
    return httpx.get(sim.base_url + path, headers={"Authorization": f"Bearer {pair['access_token']}"})


def hint(answer: httpx.Response) -> str:
    assert answer.status_code == 401
    return str(answer.json()["errors"][0]["detail"]).rpartition("(")[2].rstrip(")")


def test_consent_comes_back_with_the_state_and_a_code_that_gives_tokens(sim: RunningSimulator) -> None:
    answer = authorize(sim)
    assert answer.status_code == 302
    to = urlsplit(answer.headers["location"])
    assert (to.netloc, to.path) == ("sync.example", "/oauth/callback")
    assert parse_qs(to.query)["state"] == ["s7ate"]
    assert parse_qs(to.query)["kept"] == ["1"]
    pair = exchange(sim, code_of(answer)).json()
    assert pair.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope", "created_at"}
    assert (pair["token_type"], pair["expires_in"], pair["scope"]) == ("bearer", 7200, "groups people")
    answer = read(sim, pair)
    assert answer.status_code == 200
    assert answer.headers["x-pco-api-auth-method"] == "OAuth2"


def test_without_a_redirect_the_code_is_shown_to_the_person(sim: RunningSimulator) -> None:
    page = authorize(sim, redirect_uri="urn:ietf:wg:oauth:2.0:oob").text
    code = page.split("Your code: ")[1].split("<")[0]
    assert exchange(sim, code, redirect_uri="urn:ietf:wg:oauth:2.0:oob").status_code == 200


def test_a_person_may_say_no(sim: RunningSimulator) -> None:
    sim.set_oauth_behaviour(OAuthBehaviour(consent="deny"))
    query = parse_qs(urlsplit(authorize(sim).headers["location"]).query)
    assert (query["error"], query["state"]) == (["access_denied"], ["s7ate"])


@pytest.mark.parametrize(
    "changed", [{"code_verifier": "w" * 43}, {"redirect_uri": "https://other.example/"}, {"code": "never-issued"}]
)
def test_a_code_needs_its_verifier_and_its_redirect(sim: RunningSimulator, changed: dict[str, str]) -> None:
    answer = exchange(sim, **({"code": code_of(authorize(sim))} | changed))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_that_comes_twice_ends_what_it_gave(sim: RunningSimulator) -> None:
    code = code_of(authorize(sim))
    pair = exchange(sim, code).json()
    assert exchange(sim, code).json()["error"] == "invalid_grant"
    assert hint(read(sim, pair)) == "CAPUCHIN"


def test_the_client_must_prove_itself_in_the_form_or_as_basic(sim: RunningSimulator) -> None:
    refused = token(sim, grant_type="refresh_token", refresh_token="x", client_secret="wrong")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    (pair,) = sim.issue_tokens("people")
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    basic = ("demo-client", "demo-client-secret")
    assert httpx.post(f"{sim.base_url}/oauth/token", data=form, auth=basic).status_code == 200


def test_a_refresh_replaces_both_tokens(sim: RunningSimulator) -> None:
    (old,) = sim.issue_tokens("people")
    new = refresh(sim, old).json()
    assert read(sim, new).status_code == 200
    assert hint(read(sim, old)) == "CAPUCHIN"
    assert sim.oauth()["spent_twice"] == 0


def test_a_refresh_token_that_is_spent_twice_ends_the_whole_family_and_no_other(sim: RunningSimulator) -> None:
    old, other = sim.issue_tokens("people", count=2)
    new = refresh(sim, old).json()
    assert refresh(sim, old).json()["error"] == "invalid_grant"
    assert hint(read(sim, new)) == "CAPUCHIN"
    assert refresh(sim, new).json()["error"] == "invalid_grant"
    assert read(sim, other).status_code == 200
    seen = sim.oauth()
    assert [attempt["outcome"] for attempt in seen["refreshes"]] == ["spent", "spent twice", "revoked"]
    assert seen["spent_twice"] == 1


def test_a_token_ends_by_its_time_or_by_its_requests_in_the_middle_of_a_walk(sim: RunningSimulator) -> None:
    (pair,) = sim.issue_tokens("people")
    sim.expire_tokens()
    assert hint(read(sim, pair)) == "BABOON"
    sim.set_oauth_behaviour(OAuthBehaviour(access_requests=2, access_seconds=3))
    pair = refresh(sim, pair).json()
    assert pair["expires_in"] == 3
    assert [read(sim, pair).status_code for _ in range(3)] == [200, 200, 401]


def test_the_other_body_of_a_401_is_text(sim: RunningSimulator) -> None:
    (pair,) = sim.issue_tokens("people")
    sim.expire_tokens()
    sim.set_oauth_behaviour(OAuthBehaviour(refusal="basic"))
    answer = read(sim, pair)
    assert (answer.status_code, answer.text) == (401, "HTTP Basic: Access denied.\n")
    assert read(sim, {"access_token": "never-issued"}).text == "HTTP Basic: Access denied.\n"


def test_a_scope_that_is_missing_closes_one_product_until_it_is_granted(sim: RunningSimulator) -> None:
    (pair,) = sim.issue_tokens("people")
    assert read(sim, pair).status_code == 200
    assert hint(read(sim, pair, GROUPS)) == "PELICAN"
    assert read(sim, pair, "/current/v2/me").status_code == 200
    sim.set_scopes(pair["grant"], "people", "groups")
    assert read(sim, pair, GROUPS).status_code == 200


def test_grants_are_revoked_in_bulk_or_one_by_one(sim: RunningSimulator) -> None:
    pairs = sim.issue_tokens("people", count=5)
    sim.revoke_grants([pairs[0]["grant"]])
    assert [read(sim, pair).status_code for pair in pairs] == [401, 200, 200, 200, 200]
    sim.revoke_grants()
    assert {hint(read(sim, pair)) for pair in pairs} == {"CAPUCHIN"}
    assert {refresh(sim, pair).json()["error"] for pair in pairs} == {"invalid_grant"}


def test_the_answer_to_a_refresh_can_be_lost_after_the_token_was_spent(sim: RunningSimulator) -> None:
    (pair,) = sim.issue_tokens("people")
    sim.fault(Fault(kind="cut", path="/oauth/token", times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        refresh(sim, pair)
    assert [attempt["outcome"] for attempt in sim.oauth()["refreshes"]] == ["spent"]


def test_a_new_token_brings_no_new_requests(sim: RunningSimulator) -> None:
    (pair,) = sim.issue_tokens("people")
    sim.set_rate("2/60")
    assert [read(sim, pair).status_code for _ in range(3)] == [200, 200, 429]
    assert read(sim, refresh(sim, pair).json()).status_code == 429


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/token"])
def test_other_verbs_are_not_there(sim: RunningSimulator, path: str) -> None:
    assert httpx.delete(sim.base_url + path).status_code == 404
