"""Finds where a manifest says something: the file and line of a key of an entity."""

from pathlib import Path

from openfaith_sync.adapters.manifest_reader.yaml_text import YamlText


class ManifestLines:
    """The files of one adapter's manifest, with the lines of their keys."""

    def __init__(self, folder: Path) -> None:
        """Read the files of an adapter's folder, which are known to be valid."""
        self._texts = [(path, YamlText(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.yaml"))]

    def find(self, entity: str, *key: str) -> str | None:
        """Return ``file:line`` of a key of an entity, or of the nearest key above it; ``None`` for another entity."""
        for path, text in self._texts:
            if entity in (text.found.get("entities") or {}):
                here = Path.cwd()
                shown = path.relative_to(here) if path.is_relative_to(here) else path
                return f"{shown}:{text.line(('entities', entity, *key))}"
        return None
