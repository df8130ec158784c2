"""Whatever a stranger asks of ``serve``: a few doors, each with its proof, and bounds that hold at all of them."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from starlette.routing import Route

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync.web.app import HEADERS, build_app
from openfaith_sync.web.server import Address
from openfaith_sync_tests.ten_entities import MANIFESTS
from openfaith_sync_tests.web.making import ORG
from openfaith_sync_tests.web.receiver import Receiver, running_receiver

DOORS = {
    ("/webhooks/{adapter}/{org}", frozenset({"POST"})): 401,  # a signature
    ("/oauth/callback", frozenset({"GET", "HEAD"})): 400,  # a state
    ("/invite/{link}", frozenset({"GET", "HEAD", "POST"})): 400,  # an invitation's link
    ("/health", frozenset({"GET", "HEAD"})): 200,  # nothing: it says nothing
    ("/ready", frozenset({"GET", "HEAD"})): 200,  # nothing: it says nothing
    ("/metrics", frozenset({"GET", "HEAD"})): 404,  # a request that no proxy forwarded
}
"""Every way in, and what it answers to somebody who proves nothing."""
FORWARDED = {"X-Forwarded-For": "192.0.2.1"}
"""What the proxy says of every stranger."""
HOSTILE = (
    "..",
    "../grace",
    "grace%2f..",
    "%00",
    "'%20OR%20true--",
    "grace%0a",
    "%F0%9F%98%80",
    "a" * 5000,
    "Grace",
    "*",
    "-",
)


@pytest.fixture(scope="module")
def small(standing: tuple[Database, Receiver]) -> Iterator[Receiver]:
    """One with little patience."""
    with running_receiver(standing[0], {"head_seconds": 0.5, "head_bytes": 4096, "body_seconds": 0.5}) as receiver:
        yield receiver


def test_it_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    assert Address().host == "127.0.0.1"
    assert Address().proxies == "127.0.0.1"


def test_there_is_no_other_way_in(standing: tuple[Database, Receiver]) -> None:
    routes = build_app(standing[0], [read_manifest(MANIFESTS, "pco")]).routes
    assert all(isinstance(route, Route) for route in routes)
    found = [route for route in routes if isinstance(route, Route)]
    assert {(route.path, frozenset(route.methods or ())) for route in found} == set(DOORS)


@pytest.mark.parametrize(("door", "status"), DOORS.items(), ids=lambda given: given[0] if type(given) is tuple else "")
def test_who_proves_nothing_is_told_nothing(receiver: Receiver, door: tuple[str, frozenset[str]], status: int) -> None:
    path, methods = door
    url = receiver.url + path.format(adapter="pco", org=ORG, link="x")
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = httpx.request(method, url, headers=FORWARDED, trust_env=False)
        assert answer.status_code == (status if method in methods else 405)
        assert_guarded(answer)
        assert len(answer.content) < 500
        assert ORG not in answer.text


@pytest.mark.parametrize("org", HOSTILE)
def test_what_cannot_be_an_org_is_nobody(receiver: Receiver, org: str) -> None:
    answer = httpx.post(f"{receiver.url}/webhooks/pco/{org}", content=b"{}", trust_env=False)
    assert answer.status_code in (401, 404)
    assert answer.content == b""
    answer = httpx.get(f"{receiver.url}/oauth/callback?code=x&state=pco.{org}.x", trust_env=False)
    assert answer.status_code in (400, 429)
    answer = httpx.get(f"{receiver.url}/invite/pco.{org}.{'x' * 43}", trust_env=False)
    assert answer.status_code in (400, 404, 429)


def test_every_answer_is_guarded_also_those_to_what_is_no_request(receiver: Receiver) -> None:
    for told in (b"nonsense\r\n\r\n", b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/9\r\n\r\n"):
        with closing(socket.create_connection(("127.0.0.1", receiver.port), timeout=10)) as line:
            line.sendall(told)
            head = line.recv(4096).decode().lower()
        assert head.startswith("http/1.1 4"), head
        for name, value in HEADERS.items():
            assert f"{name}: {value}".lower() in head
        assert "server:" not in head


@pytest.mark.parametrize("path", ["/webhooks/pco/grace", "/oauth/callback", "/invite/x", "/health", "/nothing"])
def test_a_head_that_does_not_end_is_cut_off_at_every_door(small: Receiver, path: str) -> None:
    began = time.monotonic()
    for drip in (b"", b"x: " + b"y" * 8000):
        with closing(socket.create_connection(("127.0.0.1", small.port), timeout=10)) as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode() + drip)
            assert ended(line)
    assert time.monotonic() - began < 8


def ended(line: socket.socket) -> bool:
    try:
        return line.recv(4096) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("door", ["GET /oauth/callback?state=pco.grace.x&code=x", "GET /health", "POST /invite/x"])
def test_a_body_that_nobody_asked_for_keeps_nobody_waiting(small: Receiver, door: str) -> None:
    head = f"{door} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", small.port), timeout=10)) as line:
        line.sendall(head.encode() + b"x" * 100_000)
        assert line.recv(4096).startswith(b"HTTP/1.1 ")


def test_guessing_states_and_links_is_slowed_down(standing: tuple[Database, Receiver]) -> None:
    with running_receiver(standing[0], {"refused_burst": 3, "refused_per_second": 0.001}) as receiver:
        for guess in ("/oauth/callback?state=pco.grace.x&code=x", f"/invite/pco.grace.{'x' * 43}"):
            statuses = [httpx.get(receiver.url + guess, trust_env=False).status_code for _ in range(5)]
            assert statuses == [400, 400, 400, 429, 429]


def assert_guarded(answer: httpx.Response) -> None:
    for name, value in HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert "server" not in answer.headers
