"""The folder of the embedded server's socket, which no other user may have created."""

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
    """Return the data folder, or one with a short name if the socket's path would be too long."""
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
    """Check that only the server's user can have put anything into the folder.

    Its name is predictable, and anyone may create it: whoever did would receive what we send to the server.

    Raises:
        DefinitionError: It belongs to another user, is open to others, or is not a real folder.
    """
    found = place.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not stat.S_IMODE(found.st_mode) & 0o077:
        return
    raise DefinitionError(
        f"the folder {place} for the embedded PostgreSQL's socket is not private to the server's user "
        f"(owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}); "
        "remove it, or set OPENFAITH_HOME to a shorter path"
    )


def short_folder(folder: Path) -> Path:
    """Return the folder for the socket of a data folder whose path is too long."""
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"openfaith-{name}"
