"""The warm parent: loads a code location, and forks a process for each run.

    python -m openfaith_sync.defs.instance.run_parent CHANNEL

A fork is safe because the parent has one thread and nothing open: no database, no server,
no client. It serves the process at the other end of the channel and ends with it, even if that
was killed; the runs that it forked continue. Each line is a request and, except for the last
kind, has a one-line response:

    {"load": origin}   load the repository that this origin points at
    {"fork": true}     return a waiting process; {"gone": reason} if the code has changed since
    {"run": args}      start that run in the process; takes what `dagster api execute_run` takes
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

# Modules that every run would otherwise import again.
USED_BY_RUNS = (
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.noop_compute_log_manager",
    "openfaith_sync.defs.instance.storage",
    "openfaith_sync.defs.instance.launcher",
    "openfaith_sync.defs.instance.run_coordinator",
)


class LoadedFiles:
    """The files that the loaded modules and manifests came from; installed packages are not expected to change."""

    def __init__(self) -> None:
        """Record their current state."""
        self._stamps = _seen_files()

    def has_changed(self) -> bool:
        """Return whether any of them was written, created or removed since."""
        return _seen_files() != self._stamps


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
        stat = os.stat(path)  # noqa: PTH116  hundreds of them, before each run
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def main() -> None:
    """Serve requests; in a fork, this returns with the run to execute, and executes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    args = serve(channel)
    if args:
        execute_run_command.main([args], standalone_mode=False)


def serve(channel: socket.socket) -> str | None:
    """Serve requests until the channel closes; in a fork, return its run, or nothing if there is none."""
    lines = channel.makefile("rw", encoding="utf-8")
    loaded_files: LoadedFiles | None = None
    waiting: int | None = None
    # Forks are not waited for; the kernel reaps them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in lines:
        match json.loads(line):
            case {"load": origin}:
                _load(deserialize_value(origin, RepositoryPythonOrigin))
                loaded_files = LoadedFiles()
                _answer(lines, {"ready": True})
            case {"fork": _} if loaded_files is None or loaded_files.has_changed():
                _answer(lines, {"gone": "its code, a manifest or .env has changed since it was loaded"})
                return None
            case {"fork": _}:
                if waiting is not None:
                    # The launcher failed between the two requests; the waiting process must not
                    # wait forever.
                    os.close(waiting)
                read_end, write_end = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.close(write_end)
                    lines.close()
                    channel.close()
                    return _wait_for_run(read_end)
                os.close(read_end)
                waiting = write_end
                _answer(lines, {"pid": pid})
            case {"run": args} if waiting is not None:
                with os.fdopen(waiting, "w", encoding="utf-8") as pipe:
                    pipe.write(args)
                waiting = None
    return None


def _load(origin: RepositoryPythonOrigin) -> None:
    """Load the repository as a run would, and freeze it so that forks share its memory."""
    os.environ.update(get_env_var_dict(str(Path.cwd())))
    for module in USED_BY_RUNS:
        __import__(module)
    recon_repository_from_origin(origin).get_definition().get_all_jobs()
    gc.collect()
    gc.freeze()


def _wait_for_run(read_end: int) -> str | None:
    """Restore a normal process's signal handling, and read the run to execute; nothing if the parent ended first."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    setup_interrupt_handlers()
    with os.fdopen(read_end, encoding="utf-8") as pipe:
        return pipe.read() or None


def _answer(lines: IO[str], message: dict[str, Any]) -> None:
    lines.write(json.dumps(message) + "\n")
    lines.flush()


if __name__ == "__main__":
    main()
