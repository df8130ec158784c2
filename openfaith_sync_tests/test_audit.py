"""What is pinned is audited: a known vulnerability fails, a service that is away does not."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from openfaith_sync_tests.audit import SECONDS, read_pins

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


@contextmanager
def advisories(*vulnerable: str, status: int = 200) -> Iterator[str]:
    """A service that knows of these packages' faults."""

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            names = [query["package"]["name"] for query in asked]
            results = [{"vulns": [{"id": "PYSEC-1"}]} if name in vulnerable else {} for name in names]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"results": results}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def audit(service: str, path: Path = CONSTRAINTS) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openfaith_sync_tests.audit", str(path)]
    environment = {"OSV_SERVICE": service, "NO_PROXY": "127.0.0.1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_every_pin_is_asked_about() -> None:
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if line and not line.startswith("#")]
    assert len(read_pins(CONSTRAINTS.read_text())) == len(lines) > 100


def test_what_is_known_to_be_vulnerable_fails() -> None:
    with advisories("httpx") as service:
        done = audit(service)
    assert done.returncode == 1
    assert done.stdout.startswith("vulnerable: httpx 0.")
    assert "PYSEC-1" in done.stdout
    assert done.stdout.count("\n") == 1


def test_what_is_not_known_to_be_passes() -> None:
    with advisories() as service:
        done = audit(service)
    assert (done.returncode, done.stderr) == (0, "")
    assert "none of" in done.stdout


@pytest.mark.parametrize("status", [None, 500])
def test_a_service_that_is_away_is_said_and_fails_nothing(status: int | None) -> None:
    began = time.monotonic()
    with advisories(status=status or 200) as service:
        done = audit(service if status else "http://127.0.0.1:1")
    assert done.returncode == 0
    assert done.stdout.startswith("Dependencies were not audited")
    assert time.monotonic() - began < SECONDS
