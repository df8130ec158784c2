"""Every malformed answer is a named error, never the end of a listing."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.port import RecordSource
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import (
    AccessDenied,
    DefinitionError,
    FilterIgnored,
    MalformedAnswer,
    NotFoundAtSource,
    ReconnectRequired,
    SyncError,
    TransientError,
)
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.listing import ListingQuery, Order
from openfaith_sync_tests.adapters.clients import guarded
from openfaith_sync_tests.adapters.credentials import anybody
from openfaith_sync_tests.ten_entities import MANIFESTS

PCO = read_manifest(MANIFESTS, "pco")
Body = dict[str, Any]
EMAILS = ListingQuery(EntityName("email"))


def email(number: int) -> Body:
    return {
        "type": "Email",
        "id": str(number),
        "attributes": {"address": f"user{number}@example.org", "updated_at": "2026-01-01T00:00:00Z"},
        "relationships": {"person": {"data": {"type": "Person", "id": "1"}}},
        "links": {"self": "https://example.org"},
    }


def listing() -> Body:
    return {
        "links": {"self": "https://example.org", "next": "https://example.org?offset=2"},
        "data": [email(1), email(2)],
        "included": [],
        "meta": {"total_count": 4, "count": 2, "next": {"offset": 2}},
    }


def answering(*answers: httpx.Response) -> tuple[RecordSource, list[httpx.Request], list[float]]:
    """Return a source that answers in turn, the last answer for ever, with what was asked and paused."""
    asked: list[httpx.Request] = []
    pauses: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answers[min(len(asked), len(answers)) - 1]

    client = HttpClient(
        "https://pco.example",
        anybody(),
        PCO.adapter_file,
        transport=httpx.MockTransport(answer),
        pause=pauses.append,
        # A budget is closed for up to three periods when the source asks for long.
        patience=timedelta(seconds=2.5 * PCO.adapter_file.rate_limit.assumed_period_seconds),
        **guarded(PCO),
    )
    return open_dialect(PCO).open_source(client), asked, pauses


def ok(body: object) -> httpx.Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return httpx.Response(200, content=content, headers={"content-type": "application/vnd.api+json; charset=utf-8"})


def without(key: str, inside: str | None = None) -> Callable[[Body], None]:
    def damage(body: Body) -> None:
        (body[inside] if inside else body).pop(key)

    return damage


def set_to(value: object, *path: str | int) -> Callable[[Body], None]:
    def damage(body: Body) -> None:
        place: Any = body
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return damage


def ended(body: Body) -> None:
    body["links"].pop("next")
    body["meta"].pop("next")


def emptied_and_ended(body: Body) -> None:
    ended(body)
    body["data"] = []


DAMAGES = {
    "no data": without("data"),
    "no meta": without("meta"),
    "no links": without("links"),
    "no total count": without("total_count", "meta"),
    "data is an object": set_to({}, "data"),
    "data is null": set_to(None, "data"),
    "meta is a list": set_to([], "meta"),
    "total count is text": set_to("4", "meta", "total_count"),
    "next does not advance": set_to({"offset": 0}, "meta", "next"),
    "next skips": set_to({"offset": 100}, "meta", "next"),
    "next has no offset": set_to({}, "meta", "next"),
    "an empty page that promises more": set_to([], "data"),
}
SHORT = {"cut short": ended, "empty where records were counted": emptied_and_ended}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_listing_is_refused(name: str) -> None:
    body = copy.deepcopy(listing())
    DAMAGES[name](body)
    source, asked, _ = answering(ok(body))
    with pytest.raises(MalformedAnswer):
        source.read_page(EMAILS)
    assert len(asked) == 6


@pytest.mark.parametrize("name", SHORT)
def test_a_page_that_ends_before_its_count_says_so(name: str) -> None:
    body = copy.deepcopy(listing())
    SHORT[name](body)
    source, asked, _ = answering(ok(body))
    page = source.read_page(EMAILS)
    assert page.is_short
    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        ok(orjson.dumps(listing())[:-40]),
        ok(b""),
        ok(b"[]"),
        ok(b"null"),
        httpx.Response(200, text="<html>Please log in</html>", headers={"content-type": "text/html"}),
        httpx.Response(200, content=orjson.dumps(listing())),
    ],
    ids=["truncated", "empty body", "a list", "null", "HTML with 200", "no content type"],
)
def test_a_success_that_is_no_listing_is_refused(answer: httpx.Response) -> None:
    source, _, _ = answering(answer)
    with pytest.raises(MalformedAnswer):
        source.read_page(EMAILS)


@pytest.mark.parametrize(
    "versions",
    [("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"), ("2025-01-01T00:00:00Z",) * 2, ("2026-01-03T00:00:00Z",) * 2],
    ids=["the order is ignored", "the lower bound is ignored", "the upper bound is ignored"],
)
def test_rows_that_were_not_asked_for_are_refused(versions: tuple[str, str]) -> None:
    body = listing()
    for record, version in zip(body["data"], versions, strict=True):
        record["attributes"]["updated_at"] = version
    source, _, _ = answering(ok(body))
    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    with pytest.raises(FilterIgnored, match=r"delta\.by"):
        source.read_page(ListingQuery(EntityName("email"), Order.VERSION, version_from=first, version_before=last))


def test_a_malformed_answer_is_asked_for_again() -> None:
    source, asked, pauses = answering(ok(b"{"), ok(listing()))
    page = source.read_page(EMAILS)
    assert [record.external_id for record in page.records] == ["1", "2"]
    assert (len(asked), page.requests, len(pauses)) == (2, 2, 1)


def test_an_empty_listing_that_counts_nothing_is_an_end() -> None:
    source, _, _ = answering(ok({"links": {}, "data": [], "included": [], "meta": {"total_count": 0, "count": 0}}))
    page = source.read_page(EMAILS)
    assert (page.records, page.has_next, page.total_count) == ((), False, 0)


CAPUCHIN = {"errors": [{"code": "unauthorized", "status": "401", "detail": "Error Code Hint: (CAPUCHIN)"}]}


NOT_FOUND = {"errors": [{"status": "404", "title": "Not Found"}]}


@pytest.mark.parametrize(
    ("answer", "error", "requests"),
    [
        (httpx.Response(401, text="HTTP Basic: Access denied.\n"), ReconnectRequired, 1),
        (httpx.Response(401, json=CAPUCHIN), ReconnectRequired, 1),
        (httpx.Response(401, text="Error Code Hint: (TRASH_PANDA)"), AccessDenied, 1),
        (httpx.Response(403, json={"errors": [{"status": "403"}]}), AccessDenied, 1),
        (httpx.Response(403, text="<h1>Request blocked.</h1>"), TransientError, 6),
        (httpx.Response(404, json=NOT_FOUND), NotFoundAtSource, 1),
        (httpx.Response(400, json={"errors": []}), DefinitionError, 1),
        (httpx.Response(418), DefinitionError, 1),
        (httpx.Response(302, headers={"location": "https://other.example"}), DefinitionError, 1),
        (httpx.Response(408), TransientError, 6),
        (httpx.Response(500, json={"errors": []}), TransientError, 6),
        (httpx.Response(502, text="<html>"), TransientError, 6),
        (httpx.Response(503), TransientError, 6),
        (httpx.Response(599), TransientError, 6),
        (httpx.Response(429, headers={"retry-after": "700"}), TransientError, 1),
    ],
    ids=lambda value: str(value.status_code) if isinstance(value, httpx.Response) else None,
)
def test_every_refusal_has_its_error(answer: httpx.Response, error: type[SyncError], requests: int) -> None:
    source, asked, _ = answering(answer)
    with pytest.raises(error) as caught:
        source.read_page(EMAILS)
    assert len(asked) == requests
    assert "/people/v2/emails" in str(caught.value)
    assert "where" not in str(caught.value)


def test_a_retry_waits_at_least_as_long_as_the_source_asks() -> None:
    refused = httpx.Response(503, headers={"retry-after": "11"})
    source, _, pauses = answering(refused, ok(listing()))
    source.read_page(EMAILS)
    assert len(pauses) == 1
    assert pauses[0] >= 11


def test_a_connection_that_breaks_is_tried_again_and_named_without_the_query() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    client = HttpClient(
        "https://pco.example",
        anybody(),
        PCO.adapter_file,
        transport=httpx.MockTransport(fail),
        pause=lambda _: None,
        **guarded(PCO),
    )
    with pytest.raises(TransientError, match=r"could not reach Planning Center Online at pco\.example") as caught:
        open_dialect(PCO).open_source(client).read_page(EMAILS)
    assert "?" not in str(caught.value)
    assert client.requests == 6


def test_a_body_that_cannot_be_decompressed_is_asked_for_again_and_frees_its_place_in_the_budget() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) < 3:
            kind = {"content-type": "application/json", "content-encoding": "gzip"}
            return httpx.Response(200, headers=kind, stream=httpx.ByteStream(b"this is no gzip"))
        return ok(listing())

    client = HttpClient(
        "https://pco.example",
        anybody(),
        PCO.adapter_file,
        transport=httpx.MockTransport(answer),
        pause=lambda _: None,
        **guarded(PCO),
    )
    assert len(open_dialect(PCO).open_source(client).read_page(EMAILS).records) == 2
    assert len(asked) == 3


def test_a_request_says_who_asks_and_for_which_version() -> None:
    source, asked, _ = answering(ok(listing()))
    source.read_page(EMAILS)
    request = asked[0]
    assert request.headers["user-agent"].startswith("openfaith-sync/")
    assert request.headers["x-pco-api-version"] == "2025-11-10"
    assert request.headers["authorization"] == "Basic YW5uYTp4"


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "hostile", ""])
def test_an_error_is_decided_by_its_status_whatever_charset_it_claims(charset: str) -> None:
    headers = {"content-type": f"application/json; charset={charset}"}
    source, asked, _ = answering(httpx.Response(403, content=b'{"errors": [{}]}', headers=headers))
    with pytest.raises(AccessDenied):
        source.read_page(EMAILS)
    assert len(asked) == 1
