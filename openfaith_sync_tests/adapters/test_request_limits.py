"""One request takes no more time, bytes or hosts than it may, over real sockets."""

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from openfaith_sync.adapters.client.classification import RequestStats
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.request_limits import RequestLimits
from openfaith_sync.adapters.client.response_bodies import parse_json_object
from openfaith_sync.adapters.client.transport import MAX_REDIRECTS, Request
from openfaith_sync.domain.errors import (
    AnswerTooLarge,
    DefinitionError,
    SourceFailed,
    SyncError,
    TransientError,
)
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.adapters.clients import unguarded
from openfaith_sync_tests.adapters.credentials import anybody

LIMITS = RequestLimits(connect_seconds=1, read_seconds=0.5, whole_seconds=1, body_bytes=100_000)
ASKED = Request("/people/v2/people", {"where[name]": "Anna"})
JSON = "content-type: application/json\r\n"
PATIENCE_SECONDS = 20
"""Above this a bound is none; the bounds themselves are a twentieth of it."""

Serve = Callable[[socket.socket, str], None]


@contextmanager
def serving(serve: Serve) -> Iterator[tuple[str, list[str]]]:
    """Yield the base URL of a server that does this with each request, and the heads that it read."""
    heads: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while head := peer.recv(65536).decode():
                heads.append(head)
                serve(peer, head)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def answering(body: bytes, headers: str = JSON, status: str = "200 OK") -> Serve:
    head = f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode()
    return lambda peer, _: peer.sendall(head + body)


def dripping(text: bytes) -> Serve:
    """Send a byte again and again, each well within the bound of a read."""
    never = threading.Event()

    def serve(peer: socket.socket, _: str) -> None:
        peer.sendall(text)
        while not never.wait(0.05):
            peer.sendall(b"x")

    return serve


def read(pco_manifest: Manifest, base_url: str, attempts: int = 1) -> tuple[dict[str, object], RequestStats]:
    adapter = pco_manifest.adapter_file
    with HttpClient(
        base_url,
        anybody(),
        adapter,
        attempts=attempts,
        bounds=LIMITS,
        pause=lambda _: None,
        **unguarded(pco_manifest),
    ) as client:
        return client.read(ASKED, parse_json_object)


def refused(pco_manifest: Manifest, serve: Serve, kind: type[SyncError]) -> str:
    """Return what is said of an answer that is refused, in bounded time and without the query or the credentials."""
    began = time.monotonic()
    with serving(serve) as (base_url, _), pytest.raises(kind) as caught:
        read(pco_manifest, base_url)
    assert time.monotonic() - began < PATIENCE_SECONDS
    said = str(caught.value)
    assert "Anna" not in said
    assert "hush" not in said
    return said


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    "text",
    [HEAD + b"x-long: ", HEAD + b"content-length: 90000\r\n\r\n"],
    ids=["the head", "the body"],
)
def test_what_drips_ends_with_the_whole_request(pco_manifest: Manifest, text: bytes) -> None:
    assert "did not arrive in time" in refused(pco_manifest, dripping(text), TransientError)


def test_a_silent_source_ends_with_a_read(pco_manifest: Manifest) -> None:
    assert "ReadTimeout" in refused(pco_manifest, lambda _peer, _head: None, TransientError)


@pytest.mark.parametrize("headers", [JSON, JSON + "content-encoding: identity\r\n"])
def test_an_answer_that_is_too_large_is_not_read_to_its_end(pco_manifest: Manifest, headers: str) -> None:
    large = answering(b'{"a": "' + b"x" * 5_000_000 + b'"}', headers)
    assert "larger than 100,000 bytes" in refused(pco_manifest, large, AnswerTooLarge)


def test_a_bomb_is_not_unpacked(pco_manifest: Manifest) -> None:
    packed = gzip.compress(b'{"a": "' + b"x" * 50_000_000 + b'"}')
    assert len(packed) < LIMITS.body_bytes
    bomb = answering(packed, JSON + "content-encoding: gzip\r\n")
    tracemalloc.start()
    try:
        assert "larger than 100,000 bytes" in refused(pco_manifest, bomb, AnswerTooLarge)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def test_what_comes_without_a_length_is_bounded_too(pco_manifest: Manifest) -> None:
    endless = HEAD + b"transfer-encoding: chunked\r\n\r\n"

    def serve(peer: socket.socket, _: str) -> None:
        peer.sendall(endless)
        while True:
            peer.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")

    assert "larger than" in refused(pco_manifest, serve, AnswerTooLarge)


def test_no_cookie_is_kept(pco_manifest: Manifest) -> None:
    setting = answering(b'{"a": 1}', JSON + "set-cookie: session=hush; Path=/\r\n")
    adapter = pco_manifest.adapter_file
    with (
        serving(setting) as (base_url, heads),
        HttpClient(base_url, anybody(), adapter, **unguarded(pco_manifest)) as client,
    ):
        for _ in range(2):
            client.read(ASKED, parse_json_object)
    assert len(heads) == 2
    assert "cookie" not in heads[1].lower()


def test_a_compressed_answer_is_read(pco_manifest: Manifest) -> None:
    with serving(answering(gzip.compress(b'{"a": 1}'), JSON + "content-encoding: gzip\r\n")) as (base_url, heads):
        assert read(pco_manifest, base_url)[0] == {"a": 1}
    assert "accept-encoding: gzip\r\n" in heads[0].lower()


@pytest.mark.parametrize(
    ("headers", "body"),
    [("gzip", gzip.compress(b'{"a": 1}')[:-4]), ("gzip", b"no gzip"), ("br", b"x"), ("gzip, gzip", b"x")],
    ids=["cut short", "none", "never asked for", "twice"],
)
def test_what_cannot_be_decompressed_is_refused(pco_manifest: Manifest, headers: str, body: bytes) -> None:
    refused(pco_manifest, answering(body, f"{JSON}content-encoding: {headers}\r\n"), TransientError)


def redirecting(location: str) -> Serve:
    return answering(b"", f"location: {location}\r\n", "302 Found")


def test_a_redirect_on_the_same_host_is_followed_and_counted(pco_manifest: Manifest) -> None:
    def serve(peer: socket.socket, head: str) -> None:
        step = redirecting("/moved?page=2") if "/moved" not in head else answering(b'{"a": 1}')
        step(peer, head)

    with serving(serve) as (base_url, heads):
        found, stats = read(pco_manifest, base_url)
    assert (found, stats.requests) == ({"a": 1}, 2)
    assert heads[1].startswith("GET /moved?page=2 HTTP/1.1")
    assert "authorization: Basic YW5uYTp4" in heads[1].replace("Authorization", "authorization")


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_what_is_not_there_behind_a_redirect_tells_nothing_of_what_was_asked_for(
    pco_manifest: Manifest, status: str
) -> None:
    def serve(peer: socket.socket, head: str) -> None:
        step = (
            redirecting("/maintenance") if "/maintenance" not in head else answering(b'{"errors":[{}]}', status=status)
        )
        step(peer, head)

    assert "redirects to a page that does not exist" in refused(pco_manifest, serve, SourceFailed)


def test_a_redirect_to_another_place_is_refused_and_nobody_is_told_the_credentials(pco_manifest: Manifest) -> None:
    with serving(answering(b"{}")) as (elsewhere, heads):
        said = refused(pco_manifest, redirecting(f"{elsewhere}/x?secret=1"), DefinitionError)
        # The port is another one, so it is another place.
        assert "to a disallowed URL (http://127.0.0.1)" in said
        assert "secret" not in said
    assert heads == []


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/x",
        "//elsewhere.example",
        "https://127.0.0.1/",
        "http://user:word@127.0.0.1/",
        "javascript:x",
    ],
)
def test_no_disguise_helps(pco_manifest: Manifest, location: str) -> None:
    assert "word" not in refused(pco_manifest, redirecting(location), DefinitionError)


def test_credentials_in_a_redirect_to_the_same_place_are_refused(pco_manifest: Manifest) -> None:
    def serve(peer: socket.socket, head: str) -> None:
        host = head.lower().split("host: ")[1].split("\r\n")[0]
        redirecting(f"http://user:word@{host}/")(peer, head)

    assert "disallowed URL" in refused(pco_manifest, serve, DefinitionError)


def test_a_circle_ends(pco_manifest: Manifest) -> None:
    with serving(redirecting("/people/v2/people")) as (base_url, heads), pytest.raises(DefinitionError) as caught:
        read(pco_manifest, base_url)
    assert f"more than {MAX_REDIRECTS} times" in str(caught.value)
    assert len(heads) == MAX_REDIRECTS + 1


def test_only_a_reading_is_sent_on(pco_manifest: Manifest) -> None:
    with (
        serving(redirecting("/moved")) as (base_url, heads),
        HttpClient(base_url, anybody(), pco_manifest.adapter_file, bounds=LIMITS, **unguarded(pco_manifest)) as client,
        pytest.raises(DefinitionError, match="not a GET"),
    ):
        client.read(Request("/webhooks", {}, method="POST", body=b"{}"), lambda answer: answer)
    assert not any("/moved" in head for head in heads)


def test_a_request_that_is_refused_frees_its_place_in_the_budget(pco_manifest: Manifest) -> None:
    limited = answering(b"x" * 200_000, JSON + "X-PCO-API-Request-Rate-Limit: 1\r\n")
    with serving(limited) as (base_url, heads), pytest.raises(AnswerTooLarge):
        read(pco_manifest, base_url, attempts=6)
    assert len(heads) == 2
