"""A webhook that alerts are sent to, as Apprise's ``json://`` posts them."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "hunter2-of-the-webhook"
_ID = re.compile(r"^Message ([0-9a-f-]{36})$", re.MULTILINE)


@dataclass
class AlertReceiver:
    """What was received, and how it answers."""

    port: int
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        # Apprise waits 4 s by itself, which a busy machine may need.
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}?cto=60&rto=60"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    @property
    def ids(self) -> list[str]:
        """The messages' ids, in the order they came."""
        return [found[1] for message in self.messages if (found := _ID.search(message["message"]))]


@contextmanager
def alert_receiver() -> Iterator[AlertReceiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.messages.append(json.loads(body))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = AlertReceiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
