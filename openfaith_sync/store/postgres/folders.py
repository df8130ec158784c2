"""Folders that the environment names: usable, or one line that says what is wrong with them."""

import tempfile
from pathlib import Path

from openfaith_sync.domain.errors import UsageError


def require_folder(folder: Path, variable: str) -> None:
    """Create the folder where it is missing; return only if files can be created in it.

    Raises:
        UsageError: It is a file, lies below one, or may not be written to; names the variable to change.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Whether a folder is writable is only known by writing: root may, a read-only mount forbids it to all.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        is_file = folder.exists() and not folder.is_dir()
        reason = "it is a file" if is_file else error.strerror or type(error).__name__
        raise UsageError(
            f"cannot use the folder {folder}: {reason}; set {variable} to a folder that you may write to"
        ) from None
