"""The requests of two independent clients, recorded against the real source: the simulator answers each alike."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync_tests.ten_entities import SHIPPED

RECORDINGS = os.environ.get("OPENFAITH_RECORDINGS")
pytestmark = pytest.mark.skipif(not RECORDINGS, reason="OPENFAITH_RECORDINGS names no folder of recorded answers")
PRODUCTS = {product.path for product in read_manifest(SHIPPED, "pco").adapter_file.products.values()}


def recorded() -> Iterator[pytest.ParameterSet]:
    """Yield each recorded request once, with the answer."""
    seen = set()
    for client in ("pypco", "mortarstone"):
        for path in sorted((Path(RECORDINGS or "nowhere") / client).glob("*.json")):
            recording = json.loads(path.read_text())
            asked, answered = recording["request"], recording["response"]
            # What the source says to wrong credentials is tested with the credentials.
            if asked and (asked["method"], asked["url"]) not in seen and answered["status"] != 401:
                seen.add((asked["method"], asked["url"]))
                yield pytest.param(asked["method"], urlsplit(asked["url"]), asked["body"], answered, id=path.stem)


@pytest.fixture(scope="module")
def whole() -> Iterator[RunningSimulator]:
    """A whole church at a version that sends every key."""
    settings = SimulatorSettings(people=60, rate=None, left_out=())
    with running_simulator(settings, read_manifest(SHIPPED, "pco")) as simulator:
        yield simulator


def live_path(simulator: RunningSimulator, path: str, *, is_there: bool) -> str:
    """Return a recorded path with ids of records that exist here, or with one that does not."""
    parts = path.strip("/").split("/")
    for place, part in enumerate(parts):
        if part.isdecimal():
            parts[place] = some_id(simulator, parts[:place], parts[place + 1 :]) if is_there else "1"
    return "/" + "/".join(parts)


def some_id(simulator: RunningSimulator, before: list[str], after: list[str]) -> str:
    if after[:1] == ["refund"]:
        return str(next(iter(simulator.truth("refund").values())).relationships["donation"])
    if before[-1] == "people" and after[:1] == ["phone_numbers"]:
        return str(next(iter(simulator.truth("phone_number").values())).relationships["person"])
    with httpx.Client(auth=("demo", "demo"), trust_env=False) as client:
        return str(client.get(f"{simulator.base_url}/{'/'.join(before)}").json()["data"][0]["id"])


@pytest.mark.parametrize(("method", "url", "body", "answered"), list(recorded()))
def test_a_recorded_request_is_answered_alike(
    whole: RunningSimulator, client: httpx.Client, method: str, url: SplitResult, body: Any, answered: dict[str, Any]
) -> None:
    product = "/".join(url.path.split("/")[:3])
    if product.count("/") == 2 and product not in {*PRODUCTS, "/v2/files", "/webhooks/v2"}:
        pytest.skip(f"no module of the manifest is of {product}")
    is_there = answered["status"] != 404
    path = live_path(whole, url.path, is_there=is_there)
    content = json.dumps(body) if isinstance(body, dict) else body
    ours = client.request(method, f"{whole.base_url}{path}?{url.query}".rstrip("?"), content=content)
    assert ours.status_code == answered["status"]
    theirs = answered["body"] if isinstance(answered["body"], dict) else {}
    if "data" in theirs and isinstance(ours.json()["data"], list) == isinstance(theirs["data"], list):
        for one, other in zip(listed(ours.json()["data"])[:1], listed(theirs["data"])[:1], strict=False):
            assert one["type"] == other["type"]
    assert set(theirs) <= set(ours.json()) if theirs else True
    assert isinstance(theirs.get("data"), list) == (bool(theirs) and isinstance(ours.json().get("data"), list))


def listed(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [data]
