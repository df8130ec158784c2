"""Where the embedded server's socket lies, and that nobody else can have put one there."""

import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from openfaith_sync.domain.errors import DefinitionError

# 107 characters on Linux and 103 on macOS, less the socket's own name.
_LONGEST_SOCKET_FOLDER = 85


def socket_folder(folder: Path, user: str | None) -> Path:
    """Return the data folder, or one with a short name: a socket's path has an upper length."""
    if len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER:
        return folder
    short = short_folder(folder)
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
        if user is not None:
            shutil.chown(short, user)
    require_private(short, folder.stat().st_uid)
    return short


def require_private(place: Path, owner: int) -> None:
    """Return only if nobody but the server's user can have put anything into the folder.

    Its name can be foretold, and everybody may create it: who did would get what we send to the server.

    Raises:
        DefinitionError: It belongs to somebody else, is open to others, or is no folder of its own.
    """
    found = place.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not stat.S_IMODE(found.st_mode) & 0o077:
        return
    raise DefinitionError(
        f"the folder {place} for the embedded PostgreSQL's socket does not belong to the server's user alone "
        f"(owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}); "
        "remove it, or set OPENFAITH_HOME to a shorter path"
    )


def short_folder(folder: Path) -> Path:
    """Return the folder for the socket of a data folder whose path is too long."""
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"openfaith-{name}"
