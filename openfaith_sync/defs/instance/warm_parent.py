"""The launcher's end of a warm parent: starts it, and requests processes from it."""

import json
import socket
import subprocess
from dataclasses import dataclass
from typing import Any

from openfaith_sync.defs.instance.worker_process import Worker

START_SECONDS = 90.0
"""For importing everything, on a busy machine."""
ANSWER_SECONDS = 10.0
END_SECONDS = 5.0


class ParentGone(Exception):
    """The parent does not serve: it ended, its code changed, or it never started."""


@dataclass(slots=True)
class WarmParent:
    """A running parent and the channel to it; it ends when the channel closes. Used by one thread at a time."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    _unread: bytes = b""

    @classmethod
    def start(cls, python: str, origin: str) -> "WarmParent":
        """Return a parent that has loaded the code location.

        Raises:
            ParentGone: The parent could not start or load it.
        """
        ours, theirs = socket.socketpair()
        command = [python, "-m", "openfaith_sync.defs.instance.run_parent", str(theirs.fileno())]
        with theirs:
            try:
                process = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: S603  fixed arguments
            except OSError as error:
                ours.close()
                raise ParentGone(f"it could not be started: {error}") from error
        parent = cls(process, ours)
        try:
            parent._ask({"load": origin}, START_SECONDS)
        except ParentGone:
            parent.close()
            raise
        return parent

    def fork(self) -> Worker:
        """Return a process that waits for its run.

        Raises:
            ParentGone: There is none, and no run has started.
        """
        return Worker.of(int(self._ask({"fork": True}, ANSWER_SECONDS)["pid"]))

    def begin(self, run: str) -> None:
        """Start a run in the process that ``fork`` returned; if the parent has ended, the process ends too."""
        self._write({"run": run})

    def close(self) -> None:
        """Stop the parent; the processes that it forked continue."""
        self.channel.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        self._write(request)
        self.channel.settimeout(seconds)
        try:
            while b"\n" not in self._unread:
                chunk = self.channel.recv(65536)
                if not chunk:
                    raise ParentGone("it ended")
                self._unread += chunk
        except OSError as error:
            raise ParentGone(f"it did not respond: {error}") from error
        line, _, self._unread = self._unread.partition(b"\n")
        response: dict[str, Any] = json.loads(line)
        if "gone" in response:
            raise ParentGone(response["gone"])
        return response

    def _write(self, message: dict[str, Any]) -> None:
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ParentGone(f"it ended: {error}") from error
