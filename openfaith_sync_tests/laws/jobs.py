"""Runs jobs in a process of its own: a line of JSON in, one out."""

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Self


class JobProcess:
    """A process that answers a line with a line, until its input ends."""

    def __init__(self, module: str) -> None:
        command = [sys.executable, "-m", module]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        finally:
            self._process.kill()
            self._process.stdout.close()

    def run(self, job: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        try:
            return json.loads(self._process.stdout.readline())
        except BaseException:
            # The limit of a test too, raised again: were it asked once more, each test after this one would hang.
            self._process.kill()
            raise
