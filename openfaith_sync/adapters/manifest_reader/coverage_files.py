"""Reads the file that says what becomes of each resource of a source."""

from pathlib import Path

from openfaith_sync.adapters.manifest_reader.file_reader import read_file
from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes, Mistake
from openfaith_sync.domain.coverage.coverage_file import CoverageFile
from openfaith_sync.domain.errors import UsageError


def coverage_path(root: Path, adapter: str) -> Path:
    """Return the path of an adapter's coverage file: beside its folder, where every file is a module."""
    return root / f"{adapter}.coverage.yaml"


def read_coverage(root: Path, adapter: str) -> CoverageFile:
    """Return the coverage file of an adapter.

    Raises:
        UsageError: The adapter has none.
        ManifestMistakes: The file has mistakes; the error lists all of them.
    """
    path = coverage_path(root, adapter)
    if not path.is_file():
        raise UsageError(f"there is no {path}, which says what becomes of each resource of {adapter}")
    mistakes = list[Mistake]()
    file = read_file(path, CoverageFile, mistakes)
    if mistakes or file is None or file.content is None:
        raise ManifestMistakes(mistakes)
    return file.content
