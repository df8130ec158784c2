"""Credentials, versions, verbs and the rate limit."""

import httpx
import pytest

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.rate_limit import RateRule, RateWindows, parse_rate
from openfaith_sync_tests.simulator.conftest import Get


@pytest.mark.parametrize("auth", [None, ("demo", "wrong"), ("other", "demo")])
def test_a_wrong_credential_gets_a_text_answer(still: RunningSimulator, auth: tuple[str, str] | None) -> None:
    answer = httpx.get(f"{still.base_url}/people/v2/people", auth=auth)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["www-authenticate"] == 'Basic realm="Application"'
    assert answer.text == "HTTP Basic: Access denied.\n"
    assert "x-pco-api-request-rate-count" not in answer.headers


def test_a_token_is_a_credential_too(still: RunningSimulator) -> None:
    answer = httpx.get(f"{still.base_url}/people/v2/people", headers={"Authorization": "Bearer demo"})
    assert answer.headers["x-pco-api-auth-method"] == "OAuth2"


@pytest.mark.parametrize(
    ("asked", "processed"),
    [
        ("2025-11-10", "2025-11-10"),
        ("LATEST", "2025-11-10"),
        ("2030-01-01", "2025-11-10"),
        ("2022-07-14", "2022-07-14"),
    ],
)
def test_the_version_is_echoed(get: Get, asked: str, processed: str) -> None:
    answer = get("/people/v2/people", **{"X-PCO-API-Version": asked})
    assert answer.headers["x-pco-api-processed-as-version"] == processed


def test_without_a_version_the_newest_answers(get: Get) -> None:
    assert get("/groups/v2/groups").headers["x-pco-api-processed-as-version"] == "2023-07-10"


@pytest.mark.parametrize("asked", ["2018-07-31", "banana"])
def test_an_unsupported_version_is_an_error(get: Get, asked: str) -> None:
    answer = get("/people/v2/people", **{"X-PCO-API-Version": asked})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "unsupported_version_error"


@pytest.mark.parametrize(
    "path", ["/people/v2/people/1", "/people/v2/nothing", "/nothing", "/people/v2/people/x/emails"]
)
def test_what_is_not_there_is_a_json_error(get: Get, path: str) -> None:
    answer = get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    problem = {"status": "404", "title": "Not Found", "detail": "The resource you requested could not be found"}
    assert answer.json() == {"errors": [problem]}


def test_an_unrouted_verb_is_a_page_for_people(client: httpx.Client, still: RunningSimulator) -> None:
    answer = client.put(f"{still.base_url}/people/v2/people/1", json={})
    assert answer.status_code == 404
    assert answer.text.startswith("<!DOCTYPE html>")


def test_the_limit_is_stated_counted_and_kept(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.set_rate("3/60")
    url = f"{moving.base_url}/people/v2/campuses"
    answers = [client.get(url) for _ in range(5)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
    assert [a.headers["x-pco-api-request-rate-count"] for a in answers] == ["1", "2", "3", "4", "5"]
    assert {a.headers["x-pco-api-request-rate-limit"] for a in answers} == {"3"}
    assert {a.headers["x-pco-api-request-rate-period"] for a in answers} == {"60"}
    refused = answers[-1]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["content-type"].startswith("application/json")
    assert refused.json()["errors"][0]["detail"] == "Rate limit exceeded: 5 of 3 requests per 60 seconds"


def test_a_limit_may_change_in_the_middle_of_a_window(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.set_rate("10/60")
    moving.clear_requests()
    moving.fault(Fault(kind="rate", at=4, rate="5/60"))
    answers = [client.get(f"{moving.base_url}/people/v2/campuses") for _ in range(8)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 3
    assert [a.headers["x-pco-api-request-rate-limit"] for a in answers] == ["10"] * 4 + ["5"] * 4
    assert [(use.limit, use.count, use.over) for use in moving.window_uses()] == [(5, 8, 3)]
    moving.clear_faults()


def test_headers_may_lie_about_the_limit(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.set_rate("2/60")
    says = {"limit": "1000", "period": "soon", "count": None, "retry_after": "-5"}
    moving.fault(Fault(kind="headers", values=says))
    answers = [client.get(f"{moving.base_url}/people/v2/campuses") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert {a.headers["x-pco-api-request-rate-limit"] for a in answers} == {"1000"}
    assert {a.headers["x-pco-api-request-rate-period"] for a in answers} == {"soon"}
    assert not any("x-pco-api-request-rate-count" in a.headers for a in answers)
    assert [a.headers.get("retry-after") for a in answers] == [None, None, "-5"]
    moving.clear_faults()


def test_a_window_starts_with_the_first_request_after_the_last_one() -> None:
    windows, rule = RateWindows(), RateRule(2, 20)
    counts = [windows.count("token", rule, at).count for at in (0, 19, 20.5, 39, 40.4, 41)]
    assert counts == [1, 2, 1, 2, 3, 1]
    assert windows.count("other", rule, 41).count == 1
    assert windows.count("token", RateRule(1, 20), 41.1).is_refused
    assert windows.count("token", rule, 41.2).retry_after_seconds == 20


def test_deep_offsets_have_a_limit_of_their_own(manifest: Manifest) -> None:
    with running_simulator(SimulatorSettings(people=5), manifest) as simulator:
        url = f"{simulator.base_url}/people/v2/people?offset=30001"
        with httpx.Client(auth=("demo", "demo")) as client:
            deep = [client.get(url) for _ in range(11)]
            assert [a.status_code for a in deep] == [200] * 10 + [429]
            assert deep[-1].headers["x-pco-api-request-rate-limit"] == "10"
            assert client.get(f"{simulator.base_url}/people/v2/people?offset=30000").status_code == 200


@pytest.mark.parametrize("text", ["", "100", "100/", "0/20", "fast", "-1/20"])
def test_a_wrong_rate_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="100/20"):
        parse_rate(text)


def test_rates_are_read() -> None:
    assert parse_rate("75/20") == RateRule(75, 20)
    assert parse_rate("off") is None
