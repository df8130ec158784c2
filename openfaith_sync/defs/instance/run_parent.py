"""The warm parent: has loaded a code location, and forks a process for each run.

    python -m openfaith_sync.defs.instance.run_parent CHANNEL

A fork is safe because there is one thread and nothing open: no database, no server,
no client. It serves whoever holds the other end of the channel and ends with it,
also when that was killed; the runs it forked go on. Each line is a question and,
except for the last kind, has a line for an answer:

    {"load": origin}   load the repository that this origin points at
    {"fork": true}     give a process that waits; {"gone": why} when the code changed since
    {"run": args}      tell that process its run; what `dagster api execute_run` takes
"""

import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import IO, Any

from dagster._cli.api import execute_run_command
from dagster._core.origin import RepositoryPythonOrigin
from dagster._core.secrets.env_file import get_env_var_dict
from dagster._serdes import deserialize_value
from dagster._utils.hosted_user_process import recon_repository_from_origin
from dagster._utils.interrupts import setup_interrupt_handlers

from openfaith_sync.domain.connections.deployment_settings import Settings

ENVIRONMENT_FILE = ".env"
INSTALLED = (sys.prefix, sys.base_prefix)

# What the first run would import otherwise, each time anew.
USED_BY_RUNS = (
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.noop_compute_log_manager",
    "openfaith_sync.defs.instance.storage",
    "openfaith_sync.defs.instance.launcher",
)


class Watched:
    """The files that what is loaded came from; an installed package is not expected to change."""

    def __init__(self) -> None:
        """Remember how they are now."""
        self._seen = _seen_files()

    def has_changed(self) -> bool:
        """Say whether one of them was written, made or removed since."""
        return _seen_files() != self._seen


def _seen_files() -> dict[str, tuple[int, int]]:
    ours = [str(module.__file__) for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
    manifests = Settings.from_environment(os.environ).manifests
    files = [*filter(_is_edited, ours), *map(str, manifests.rglob("*.yaml")), ENVIRONMENT_FILE]
    return {path: _stamp(path) for path in files}


def _is_edited(path: str) -> bool:
    here = str(Path(__file__).resolve().parents[2])
    return path.startswith(here) or not path.startswith(INSTALLED)


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116  hundreds of them, before each run
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def main() -> None:
    """Serve; a fork comes back from here with its run, and does it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    args = serve(channel)
    if args:
        execute_run_command.main([args], standalone_mode=False)


def serve(channel: socket.socket) -> str | None:
    """Answer until the other end is gone; in a fork, give its run, or nothing when there is none."""
    lines = channel.makefile("rw", encoding="utf-8")
    watched: Watched | None = None
    waiting: int | None = None
    # Nobody waits for the forks; the system forgets them by itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in lines:
        match json.loads(line):
            case {"load": origin}:
                _load(deserialize_value(origin, RepositoryPythonOrigin))
                watched = Watched()
                _answer(lines, {"ready": True})
            case {"fork": _} if watched is None or watched.has_changed():
                _answer(lines, {"gone": "its code, a manifest or .env changed since it was loaded"})
                return None
            case {"fork": _}:
                if waiting is not None:
                    # Its launcher failed between the two questions; what waits must not wait for ever.
                    os.close(waiting)
                told, tell = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.close(tell)
                    lines.close()
                    channel.close()
                    return _wait_for_run(told)
                os.close(told)
                waiting = tell
                _answer(lines, {"pid": pid})
            case {"run": args} if waiting is not None:
                with os.fdopen(waiting, "w", encoding="utf-8") as pipe:
                    pipe.write(args)
                waiting = None
    return None


def _load(origin: RepositoryPythonOrigin) -> None:
    """Have the repository in memory as a run would load it, and the memory shared with what is forked."""
    os.environ.update(get_env_var_dict(str(Path.cwd())))
    for module in USED_BY_RUNS:
        __import__(module)
    recon_repository_from_origin(origin).get_definition().get_all_jobs()
    gc.collect()
    gc.freeze()


def _wait_for_run(told: int) -> str | None:
    """Become a process like any other, and read what to do; nothing when the parent ended first."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    setup_interrupt_handlers()
    with os.fdopen(told, encoding="utf-8") as pipe:
        return pipe.read() or None


def _answer(lines: IO[str], message: dict[str, Any]) -> None:
    lines.write(json.dumps(message) + "\n")
    lines.flush()


if __name__ == "__main__":
    main()
