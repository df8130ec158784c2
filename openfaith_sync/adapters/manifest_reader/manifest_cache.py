"""Keeps the manifests that were read, for as long as their files have the same content."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from openfaith_sync.domain.manifest.manifest import Manifest

_lock = Lock()
# The last manifest of each adapter, with the digest of the files that it was read from.
_manifests: dict[str, tuple[bytes, Manifest]] = {}


def cached(folder: Path, read: Callable[[], Manifest]) -> Manifest:
    """Return the manifest of a folder, which ``read`` reads if it was not read before or has changed since.

    Parsing takes a tenth of a second, hashing a thousandth of that. Contents are compared rather than times, since
    two changes may have the same time.

    Raises:
        ManifestMistakes: The files have mistakes; nothing is kept then.
    """
    digest = _digest(folder)
    with _lock:
        known = _manifests.get(folder.name)
    if known is not None and known[0] == digest:
        return known[1]
    manifest = read()
    # A file that changed while it was read may be in the manifest, or not.
    if digest is not None and _digest(folder) == digest:
        with _lock:
            _manifests[folder.name] = (digest, manifest)
    return manifest


def _digest(folder: Path) -> bytes | None:
    """Return a digest of all names and contents; ``None`` if a file cannot be read, which the reader reports."""
    digest = hashlib.blake2b()
    for path in sorted(folder.glob("*.yaml")):
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest.update(f"{path.name}/{len(content)}/".encode())
        digest.update(content)
    return digest.digest()
