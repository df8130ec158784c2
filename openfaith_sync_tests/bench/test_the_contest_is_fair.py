"""The server replays what the simulator says, and no difference between a copy and the church goes unseen."""

import httpx

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.data.ground_truth import TrueRecord
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync_tests.bench.peers import verifying
from openfaith_sync_tests.bench.peers.running import running_server

LISTING = "/people/v2/people"
EMAIL = TrueRecord(
    "1",
    {"address": "a@example.org", "location": "Home", "updated_at": "2026-01-01T00:00:00Z"},
    {"person": "7"},
)


def test_a_replayed_page_is_the_simulators_own_until_it_is_refreshed(pco_manifest: Manifest) -> None:
    settings = SimulatorSettings(people=30, rate=parse_rate("1000000/20"))
    with running_simulator(settings, pco_manifest) as simulator, running_server(simulator.base_url) as server:
        with httpx.Client(base_url=server.base_url, auth=("demo", "demo"), trust_env=False) as client:
            first = client.get(LISTING, params={"per_page": 10, "offset": 20})
            simulator.clear_requests()
            # The same request with its parameters in another order.
            again = client.get(LISTING, params={"offset": 20, "per_page": 10})
            assert simulator.requests() == []
            assert again.content == first.content
            assert server.read_figures()[0] == 2

            changed = first.json()["data"][0]["id"]
            simulator.change("person", changed, {"last_name": "Changed"})
            server.refresh()
            fresh = client.get(LISTING, params={"per_page": 10, "offset": 20}).json()["data"][0]
            assert (fresh["id"], fresh["attributes"]["last_name"]) == (changed, "Changed")

        with httpx.Client(base_url=server.base_url, auth=("demo", "wrong"), trust_env=False) as client:
            assert client.get("/people/v2/emails").status_code == httpx.codes.UNAUTHORIZED


def test_the_digest_differs_when_any_value_or_row_does() -> None:
    whole = verifying.digest_truth("emails", {"1": EMAIL})
    others = [
        {},
        {"1": TrueRecord("1", {**EMAIL.attributes, "address": "b@example.org"}, EMAIL.relationships)},
        {"1": TrueRecord("1", {**EMAIL.attributes, "updated_at": "2026-01-01T00:00:01Z"}, EMAIL.relationships)},
        {"1": TrueRecord("1", EMAIL.attributes, {"person": "8"})},
        {"1": EMAIL, "2": TrueRecord("2", EMAIL.attributes, EMAIL.relationships)},
    ]
    assert whole not in [verifying.digest_truth("emails", records) for records in others]
