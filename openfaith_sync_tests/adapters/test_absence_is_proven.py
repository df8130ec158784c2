"""Only the source's own "not found" says that a record is gone; every other 404 is a failure."""

from datetime import timedelta

import httpx
import pytest

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.port import RecordSource
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import MalformedAnswer, NotFoundAtSource, SourceFailed
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync_tests.adapters.clients import guarded
from openfaith_sync_tests.adapters.credentials import anybody
from openfaith_sync_tests.ten_entities import MANIFESTS

PCO = read_manifest(MANIFESTS, "pco")
PERSON, MEMBERSHIP = EntityName("person"), EntityName("group_membership")
OWN = b'{"errors":[{"status":"404","title":"Not Found"}]}'
JSON = "application/json"


def answering(answer: httpx.Response, attempts: int = 1) -> tuple[RecordSource, HttpClient]:
    client = HttpClient(
        "https://pco.example",
        anybody(),
        PCO.adapter_file,
        transport=httpx.MockTransport(lambda _: answer),
        pause=lambda _: None,
        attempts=attempts,
        patience=timedelta(seconds=50),
        **guarded(PCO),
    )
    return open_dialect(PCO).open_source(client), client


def answer(status: int, media_type: str | None, body: bytes) -> httpx.Response:
    return httpx.Response(status, content=body, headers={"content-type": media_type} if media_type else {})


FOREIGN = {
    "a proxy's page": ("text/html; charset=utf-8", b"<html><h1>404 Not Found</h1></html>"),
    "the source's body as a page": ("text/html", OWN),
    "plain text": ("text/plain", b"no such route"),
    "nothing at all": (None, b""),
    "JSON without content": (JSON, b""),
    "JSON of a gateway": (JSON, b'{"message":"no Route matched with those values"}'),
    "no errors": (JSON, b'{"errors":[]}'),
    "a list": (JSON, b'["errors"]'),
    "a JSON text": (JSON, b'"errors"'),
    "broken JSON": (JSON, OWN[:-3]),
}


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize(
    "media_type", [JSON, "application/vnd.api+json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
def test_the_sources_own_not_found_is_evidence(status: int, media_type: str) -> None:
    source, _ = answering(answer(status, media_type, OWN))
    assert source.read_record(PERSON, ExternalId("7")) is None
    with pytest.raises(NotFoundAtSource):
        source.read_page(ListingQuery(MEMBERSHIP, parent=ExternalId("40")))


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_not_found_of_something_on_the_way_is_a_failure_that_is_tried_again(
    status: int, foreign: tuple[str, bytes] | tuple[None, bytes]
) -> None:
    source, client = answering(answer(status, *foreign), attempts=3)
    with pytest.raises(SourceFailed, match="not the source's own"):
        source.read_record(PERSON, ExternalId("7"))
    assert client.requests == 3
    with pytest.raises(SourceFailed, match="not the source's own"):
        source.read_record(MEMBERSHIP, ExternalId("7"), ExternalId("40"))
    with pytest.raises(SourceFailed, match="not the source's own"):
        source.read_page(ListingQuery(MEMBERSHIP, parent=ExternalId("40")))


def test_an_answer_that_shows_another_record_says_nothing_of_the_one_that_was_asked_for() -> None:
    other = b'{"data":{"type":"Person","id":"8","attributes":{},"relationships":{}},"included":[]}'
    source, _ = answering(answer(200, JSON, other))
    with pytest.raises(MalformedAnswer, match="another Person"):
        source.read_record(PERSON, ExternalId("7"))
