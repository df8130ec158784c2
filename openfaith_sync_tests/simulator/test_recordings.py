"""Recorded answers of the real source, compared by shape; no word of them is kept here."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from openfaith_sync.adapters.manifest_files import read_manifest

RECORDINGS = os.environ.get("OPENFAITH_RECORDINGS")
pytestmark = pytest.mark.skipif(not RECORDINGS, reason="OPENFAITH_RECORDINGS names no folder of recorded answers")

# Named scopes stand in no manifest, so there is nothing to list them from.
UNKNOWN_META = {"can_filter"}
# Of the proxies in front of the source, and of what only its own servers can say.
UNKNOWN_HEADERS = {
    "age", "alt-svc", "cf-cache-status", "cf-ray", "connection", "content-encoding", "content-length", "date", "nel",
    "report-to", "server", "set-cookie", "status", "transfer-encoding", "via", "x-download-options", "x-cache",
    "x-permitted-cross-domain-policies", "x-xss-protection", "access-control-allow-headers", "x-amz-cf-id",
    "x-amz-cf-pop",
}  # fmt: skip


MANIFEST = read_manifest(Path(__file__).parents[2] / "manifests", "pco")
SERVED = {entity.path + entity.endpoints.list for entity in MANIFEST.entities.values()}


def recorded():
    """Give the recorded listings of the entities that the manifest has."""
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
def test_listings_have_the_recorded_shape(url, headers, body, get):
    answer = get(url.path, url.query)
    ours = answer.json()
    if not ours["data"]:
        # Nobody here has the name that was looked for there.
        ours["data"] = get(url.path).json()["data"]
    assert list(ours) == list(body)
    # What pages there are depends on how much data there is.
    assert set(body["meta"]) - UNKNOWN_META - {"next", "prev"} == set(ours["meta"]) - {"next", "prev"}
    assert set(body["data"][0]) <= set(ours["data"][0])
    assert set(body["data"][0]["links"]) <= set(ours["data"][0]["links"])
    shown = set(ours["data"][0]["relationships"])
    missing = set(body["data"][0]["relationships"]) - shown
    # It came with a version and went with another.
    assert missing <= {"gender"}
    assert {name.lower() for name in headers} - UNKNOWN_HEADERS <= set(answer.headers)
