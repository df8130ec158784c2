"""The process that ``forking.ForkServer`` starts: imports a module once, then forks for each request.

``python -m openfaith_sync_tests.fork_server FD MODULE...`` reads requests from a socket and runs the first module's
``main`` for each. A request names arguments, environment and folder as JSON, and brings the new process's input,
output, error output and status socket.
"""

import importlib
import json
import os
import random
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from openfaith_sync_tests.garbage import expect_little_garbage

REQUEST_BYTES = 1 << 18
FILES = 4


def main() -> None:
    """Fork for each request, and report how each fork ended, until the other end of the socket closes."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    run, *_ = [importlib.import_module(name) for name in sys.argv[2:]]
    expect_little_garbage()
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    # A handler of Python's own makes the signal write to the pipe, which select() waits for.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking)
    statuses: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            report_ended(statuses)
        if requests.fileno() in ready:
            message, files, _, _ = socket.recv_fds(requests, REQUEST_BYTES, FILES)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for number in (requests.fileno(), woken, waking, *(one.fileno() for one in statuses.values())):
                    os.close(number)
                become(run.main, json.loads(message), files)
            *streams, status = files
            for number in streams:
                os.close(number)
            statuses[pid] = socket.socket(fileno=status)
            statuses[pid].sendall(b"%d\n" % pid)


def report_ended(statuses: dict[int, socket.socket]) -> None:
    """Send the exit status of every fork that has ended."""
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with statuses.pop(pid) as line:
            try:
                line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            except BrokenPipeError:
                # Nobody waits for it any more.
                continue


def become(run: Callable[[], Any], request: dict[str, Any], files: Sequence[int]) -> NoReturn:
    """Run the module in this process as if it had been started with these arguments and streams."""
    status = 1
    try:
        *streams, unused = files
        os.close(unused)
        for target, number in enumerate(streams):
            os.dup2(number, target)
            os.close(number)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = request["arguments"]
        random.seed()
        status = _status_of(run)
    except BaseException:  # noqa: BLE001  nothing of the server may run on in a fork
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _status_of(run: Callable[[], Any]) -> int:
    try:
        run()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    return 0


if __name__ == "__main__":
    main()
