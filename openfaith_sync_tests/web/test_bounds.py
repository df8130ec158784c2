"""What the receiver bears: sizes, slowness, rates, floods, and a database that is away."""

import socket
import time
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres.embedded_server import start_embedded, stop_embedded
from openfaith_sync.web.token_buckets import TokenBuckets, address_key
from openfaith_sync_tests.conftest import SECRET_KEY
from openfaith_sync_tests.store.making import fetch
from openfaith_sync_tests.ten_entities import MANIFESTS
from openfaith_sync_tests.web.flood import flood
from openfaith_sync_tests.web.making import ORG, body, headers, part, subscribe
from openfaith_sync_tests.web.receiver import Receiver, running_receiver

SOON = {"head_seconds": 0.5, "body_seconds": 0.5}


def count(database: Database) -> int:
    return int(fetch(database, "SELECT count(*) FROM sync.webhook_events")[0][0])


def post(receiver: Receiver, content: bytes, **more: str) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=20) as client:
        return client.post(receiver.at(ORG), content=content, headers=headers(content) | more)


def speak(receiver: Receiver, *said: bytes, every_seconds: float = 0, until_seconds: float = 8) -> bytes:
    """Say things on a connection and give what is answered until the receiver closes it."""
    with closing(socket.create_connection(("127.0.0.1", receiver.port))) as line:
        line.settimeout(every_seconds or until_seconds)
        heard, deadline = b"", time.monotonic() + until_seconds
        words = list(said)
        while time.monotonic() < deadline:
            try:
                if words:
                    line.sendall(words.pop(0))
                    if not words and every_seconds:
                        words.append(said[-1])
                got = line.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return heard
            if not got:
                return heard
            heard += got
    raise AssertionError("the receiver kept the connection")


def test_a_body_that_is_too_large_is_refused_before_it_is_kept(stored: Database, receiver: Receiver) -> None:
    subscribe(stored)
    large = body(part("e-1", pad="x" * (1 << 20)))
    assert post(receiver, large).status_code == 413
    head = b"POST /webhooks/pco/grace HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (400_000, b"x" * 400_000)
    assert speak(receiver, head + chunk * 3).startswith(b"HTTP/1.1 413")
    assert speak(receiver, head.replace(b"Transfer-Encoding: chunked", b"Content-Length: 99999999")).startswith(
        b"HTTP/1.1 413"
    )
    almost = body(part("e-2", pad="x" * ((1 << 20) - 2000)))
    assert post(receiver, almost).status_code == 200
    assert count(stored) == 1


def test_who_speaks_too_slowly_is_not_waited_for(database: Database) -> None:
    subscribe(database)
    with running_receiver(database, SOON) as receiver:
        post_head = b"POST /webhooks/pco/grace HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        assert speak(receiver) == b""
        assert speak(receiver, b"POST /", b"x", every_seconds=0.1) == b""
        assert speak(receiver, post_head, b"X: y\r\n", every_seconds=0.1) == b""
        assert speak(receiver, b"\r\n", b"\r\n", every_seconds=0.1) == b""
        # After an answer on the same connection too.
        asked = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        assert speak(receiver, asked, b"\r\n", every_seconds=0.1).count(b"HTTP/1.1 200") == 1
        assert speak(receiver, post_head + b"\r\n", b"{", every_seconds=0.1).startswith(b"HTTP/1.1 408")
        assert post(receiver, body(part("e-1"))).status_code == 200


def test_a_head_that_grows_without_end_is_cut_off(stored: Database, receiver: Receiver) -> None:
    head = b"POST /webhooks/pco/grace HTTP/1.1\r\nHost: x\r\n"
    assert speak(receiver, head, b"X: " + b"y" * 8000 + b"\r\n", every_seconds=0.01, until_seconds=5) == b""


def test_an_org_has_its_share_and_takes_nothing_of_anothers(database: Database) -> None:
    subscribe(database)
    subscribe(database, org=OrgId("other-church"), secret="2")
    with running_receiver(database, {"org_burst": 3, "org_per_second": 0.001}) as receiver:
        answers = [post(receiver, body(part(f"e-{number}"))) for number in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert int(answers[-1].headers["retry-after"]) > 100
        content = body(part("e-1"))
        signed = headers(content, secret="2")
        assert httpx.post(receiver.at("other-church"), content=content, headers=signed).status_code == 200


def test_who_keeps_guessing_is_not_listened_to_and_keeps_nobody_out(database: Database) -> None:
    subscribe(database)
    with running_receiver(database, {"refused_burst": 3, "refused_per_second": 0.001}) as receiver:

        def guess(address: str) -> httpx.Response:
            return post(receiver, body(part("e-1")), **{"X-Forwarded-For": address, "X-PCO-Webhooks-Authenticity": "1"})

        assert [guess("192.0.2.1").status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        # Another address is another client; what is right counts against no address, and no org.
        assert guess("192.0.2.2").status_code == 401
        assert [post(receiver, body(part("e-1"))).status_code for _ in range(5)] == [200] * 5


def test_while_the_database_is_away_nothing_is_acknowledged_and_then_all_is_well(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    database = open_database(Settings(home, MANIFESTS, None, (SECRET_KEY,)))
    subscribe(database)
    with running_receiver(database) as receiver:
        assert post(receiver, body(part("e-1"))).status_code == 200
        kill_postgres(home)
        answer = post(receiver, body(part("e-2")))
        assert (answer.status_code, answer.content) == (503, b"")
        assert answer.headers["retry-after"]
        time_out = time.monotonic() + 10
        while (health := httpx.get(f"{receiver.url}/health", trust_env=False)).status_code != 503:
            assert time.monotonic() < time_out
        assert health.json() == {"database": "unreachable"}
        start_embedded(home)
        assert post(receiver, body(part("e-2"))).status_code == 200
        # A connection that was lost while nobody used it is made again for the delivery that finds it so.
        stop_embedded(home)
        start_embedded(home)
        assert post(receiver, body(part("e-3"))).status_code == 200
        assert count(database) == 3
    stop_embedded(home)


def kill_postgres(home: Path) -> None:
    postmaster = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))
    postmaster.send_signal(3)
    postmaster.wait(30)


def test_nine_hundred_at_once_are_all_acknowledged_and_stored_once(database: Database) -> None:
    subscribe(database)
    with running_receiver(database) as receiver:
        contents = [body(part(f"e-{number}")) for number in range(900)]
        statuses = flood(receiver.port, f"/webhooks/pco/{ORG}", [(c, headers(c)) for c in contents])
    assert [status for status, _ in statuses] == [200] * 900
    assert fetch(database, "SELECT count(*), count(DISTINCT event_id) FROM sync.webhook_events") == [(900, 900)]


def test_what_has_begun_is_finished_when_it_is_told_to_stop(database: Database) -> None:
    subscribe(database)
    with running_receiver(database) as receiver:
        content = body(part("e-1"))
        lines = [f"{name}: {value}" for name, value in headers(content).items()]
        head = "\r\n".join(["POST /webhooks/pco/grace HTTP/1.1", "Host: x", f"Content-Length: {len(content)}", *lines])
        with closing(socket.create_connection(("127.0.0.1", receiver.port))) as line:
            line.sendall(head.encode() + b"\r\n\r\n" + content[:10])
            # Answered after the first bytes were taken up.
            httpx.get(f"{receiver.url}/health", trust_env=False)
            receiver.process.terminate()
            wait_until_closed(receiver)
            line.sendall(content[10:])
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
        assert receiver.process.wait(20) == 0
    assert count(database) == 1


def wait_until_closed(receiver: Receiver) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", receiver.port)).close()
        except OSError:
            return
    raise AssertionError("it still listens")


def test_a_bucket_fills_again_and_those_that_are_full_are_forgotten() -> None:
    now = 0.0
    buckets = TokenBuckets(2, 0.5, clock=lambda: now)
    for _ in range(3):
        buckets.take("a")
    assert buckets.seconds_until_free("a") == pytest.approx(2)
    assert buckets.seconds_until_free("b") == 0
    now = 2.0
    assert buckets.seconds_until_free("a") == 0
    for number in range(30_000):
        buckets.take(number)
    assert len(buckets._buckets) <= 10_000


def test_the_addresses_of_one_network_are_one_client() -> None:
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:2")
    assert address_key("2001:db8:0:1::1") != address_key("2001:db8::1")
    assert address_key("192.0.2.1") != address_key("192.0.2.2")
    assert address_key(None) == address_key(None)
