"""Check that the folders named by the environment are usable."""

import tempfile
from pathlib import Path

from openfaith_sync.domain.errors import UsageError


def require_folder(folder: Path, variable: str) -> None:
    """Create the folder if it is missing, and check that files can be created in it.

    Raises:
        UsageError: It is a file, is below a file, or is not writable; the message names the variable to change.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Only writing shows whether a folder is writable: root always may, and a read-only mount forbids it
        # to all.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        is_file = folder.exists() and not folder.is_dir()
        reason = "it is a file" if is_file else error.strerror or type(error).__name__
        raise UsageError(f"cannot use the folder {folder}: {reason}; set {variable} to a writable folder") from None
