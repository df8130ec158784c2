"""A client sends what the manifest reads and nothing else: some sources write by GET."""

import httpx
import pytest

from openfaith_sync.adapters.client.allowed_requests import AllowedRequest, AllowedRequests, allowed_reads
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync_tests.adapters.credentials import anybody
from openfaith_sync_tests.ten_entities import MANIFESTS

PCO = read_manifest(MANIFESTS, "pco")
READS = [
    Request("/current/v2/me", {"include": "organization"}),
    Request("/people/v2/people", {"per_page": 100}),
    Request("/people/v2/people/7", {}),
    Request("/people/v2/person_mergers", {"offset": 100}),
    Request("/people/v2/households/7/household_memberships", {}),
    Request("/groups/v2/groups", {"where[archive_status]": "include"}),
]
WRITES = [
    Request("/people/v2/people", {}, method="POST"),
    Request("/people/v2/people/7", {}, method="DELETE"),
    Request("/people/v2/people/7", {}, method="PATCH"),
    Request("/people/v2/people/7/delete", {}),
    Request("/people/v2/people/7/", {}),
    Request("/people/v2/peoples", {}),
    Request("/people/v2/", {}),
    Request("/webhooks/v2/subscriptions", {}),
]


def ask(request: Request, *writes: AllowedRequest) -> int:
    """Return how many requests reached the source."""
    asked: list[httpx.Request] = []

    def answer(given: httpx.Request) -> httpx.Response:
        asked.append(given)
        return httpx.Response(200, json={})

    with HttpClient(
        "https://pco.example",
        anybody(),
        PCO.adapter_file,
        transport=httpx.MockTransport(answer),
        allowed=AllowedRequests(allowed_reads(PCO), writes),
        answers=open_dialect(PCO).answers,
    ) as client:
        client.read(request, lambda _: None)
    return len(asked)


@pytest.mark.parametrize("request_", READS, ids=lambda request: request.path)
def test_what_the_manifest_reads_is_sent(request_: Request) -> None:
    assert ask(request_) == 1


@pytest.mark.parametrize("request_", WRITES, ids=lambda request: f"{request.method} {request.path}")
def test_nothing_else_is_sent(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(*_: object) -> None:
        pytest.fail("it was sent")

    monkeypatch.setattr("openfaith_sync.adapters.client.transport.SourceTransport.send", send)
    with pytest.raises(DefinitionError, match="none of the manifest's read paths"):
        ask(request_)


def test_a_caller_may_be_allowed_to_write() -> None:
    webhooks = open_dialect(PCO).webhooks
    assert webhooks is not None
    subscribe = Request("/webhooks/v2/subscriptions", {}, method="POST", body=b"{}")
    assert ask(subscribe, *webhooks.allowed_requests()) == 1
    with pytest.raises(DefinitionError):
        ask(Request("/webhooks/v2/subscriptions/7", {}, method="POST"), *webhooks.allowed_requests())


SERVICES = AllowedRequests(
    [
        AllowedRequest("GET", "/api.php", {"srv": "individual_profiles"}),
        AllowedRequest("GET", "/api.php", {"srv": "individual_profile_from_id", "individual_id": "{id}"}, "[0-9]+"),
        AllowedRequest("GET", "/api/people/{id}", {}, "[0-9]+"),
    ]
)


@pytest.mark.parametrize(
    "request_",
    [
        Request("/api.php", {"srv": "individual_profiles", "page": 2}),
        Request("/api.php", {"srv": "individual_profile_from_id", "individual_id": "71"}),
        Request("/api/people/71", {"details": "1"}),
    ],
    ids=str,
)
def test_a_parameter_may_name_what_is_read(request_: Request) -> None:
    SERVICES.require(request_)


@pytest.mark.parametrize(
    "request_",
    [
        Request("/api.php", {}),
        Request("/api.php", {"srv": "add_individual_to_group", "id": "71"}),
        Request("/api.php", {"srv": "individual_profile_from_id"}),
        Request("/api.php", {"srv": "individual_profile_from_id", "individual_id": "71&srv=x"}),
        Request("/api/people/delete", {"person_id": "71"}),
        Request("/api/people/add", {}),
    ],
    ids=str,
)
def test_no_other_service_is_asked(request_: Request) -> None:
    with pytest.raises(DefinitionError):
        SERVICES.require(request_)
