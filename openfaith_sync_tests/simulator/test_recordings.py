"""Recorded answers of the real source, compared by shape; no word of them is kept here."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync_tests.simulator.conftest import Get
from openfaith_sync_tests.ten_entities import MANIFESTS

RECORDINGS = os.environ.get("OPENFAITH_RECORDINGS")
pytestmark = pytest.mark.skipif(not RECORDINGS, reason="OPENFAITH_RECORDINGS names no folder of recorded answers")

# Of the proxies in front of the source, and of what only its own servers can say.
UNKNOWN_HEADERS = {
    "age", "alt-svc", "cf-cache-status", "cf-ray", "connection", "content-encoding", "content-length", "date", "nel",
    "report-to", "server", "set-cookie", "status", "transfer-encoding", "via", "x-download-options", "x-cache",
    "x-permitted-cross-domain-policies", "x-xss-protection", "access-control-allow-headers", "x-amz-cf-id",
    "x-amz-cf-pop",
}  # fmt: skip


MANIFEST = read_manifest(MANIFESTS, "pco")
SERVED = {entity.path + entity.endpoints.list for entity in MANIFEST.entities.values()}


SINGLE = {
    entity.path + entity.endpoints.get.split("{")[0]: name
    for name, entity in MANIFEST.entities.items()
    if entity.endpoints.get and not entity.nested
}


def recorded_alone() -> Iterator[pytest.ParameterSet]:
    """Yield the recorded single reads of the entities that the manifest has, each with a listing of them."""
    for path in sorted(Path(RECORDINGS or "nowhere").glob("*/*.json")):
        recording = json.loads(path.read_text())
        url, body = urlsplit((recording.get("request") or {}).get("url") or ""), recording["response"].get("body")
        before, _, identity = url.path.rpartition("/")
        name, data = SINGLE.get(f"{before}/"), body.get("data") if isinstance(body, dict) else None
        if name is not None and identity.isdigit() and isinstance(data, dict) and "links" in data:
            yield pytest.param(MANIFEST.entities[name], url.query, body, id=path.stem)


@pytest.mark.parametrize(("entity", "query", "body"), list(recorded_alone()))
def test_single_reads_have_the_recorded_shape(entity: Entity, query: str, body: dict[str, Any], get: Get) -> None:
    listing = entity.path + entity.endpoints.list
    ours = get(f"{listing}/{get(listing).json()['data'][0]['id']}", query).json()
    # Whether anything is included depends on the record.
    assert [key for key in ours if key != "included"] == [key for key in body if key != "included"]
    assert set(body["meta"]) == set(ours["meta"])
    # A user who may not see a kind of record was shown no link to it.
    assert set(body["data"]["links"]) <= set(ours["data"]["links"])
    assert set(ours["data"]["links"]) - set(body["data"]["links"]) <= {"html", "background_checks", "workflow_shares"}


def recorded() -> Iterator[pytest.ParameterSet]:
    """Yield the recorded listings of the entities that the manifest has."""
    for path in sorted(Path(RECORDINGS or "nowhere").glob("*/*.json")):
        recording = json.loads(path.read_text())
        url, body = (recording.get("request") or {}).get("url") or "", recording["response"].get("body")
        if isinstance(body, str) and body.startswith("{"):
            body = json.loads(body)
        is_read = (recording.get("request") or {}).get("method") == "GET" and recording["response"]["status"] == 200
        if (
            is_read
            and isinstance(body, dict)
            and isinstance(body.get("data"), list)
            and recording["response"]["headers"]
            and urlsplit(url).path in SERVED
        ):
            yield pytest.param(urlsplit(url), recording["response"]["headers"], body, id=path.stem)


@pytest.mark.parametrize(("url", "headers", "body"), list(recorded()))
def test_listings_have_the_recorded_shape(
    url: SplitResult, headers: dict[str, str], body: dict[str, Any], get: Get
) -> None:
    answer = get(url.path, url.query)
    ours = answer.json()
    if not ours["data"]:
        # Nobody here has the name that was looked for there.
        ours["data"] = get(url.path).json()["data"]
    # An empty list was still sent at the versions that were recorded.
    assert list(ours) == [key for key in body if key != "included" or body[key]]
    # What pages there are depends on how much data there is.
    assert set(body["meta"]) - {"next", "prev"} == set(ours["meta"]) - {"next", "prev"}
    assert set(body["data"][0]) <= set(ours["data"][0])
    assert set(body["data"][0]["links"]) <= set(ours["data"][0]["links"])
    shown = set(ours["data"][0]["relationships"])
    missing = set(body["data"][0]["relationships"]) - shown
    # It came with a version and went with another.
    assert missing <= {"gender"}
    assert {name.lower() for name in headers} - UNKNOWN_HEADERS <= set(answer.headers)
