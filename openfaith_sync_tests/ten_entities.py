"""Ten entities of Planning Center, as the shipped manifest has them: what most tests sync.

A church has 140 entities. Tests that count requests, rows or assets would change with each of them, and most tests
would take ten times as long, while they say nothing that ten entities do not show. The folder is written from the
shipped one, so that a mapping which is corrected there is corrected here; tests of what is shipped read that.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "manifests"
# In the project and not in TMPDIR, which is another one in the processes that tests start.
_WRITTEN = ROOT / ".cache" / "ten_entities"

# The entities, each with the relationships that it has here.
_RELATIONSHIPS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "people": {
        "campus": frozenset({"organization"}),
        "household": frozenset({"primary_contact", "people"}),
        "household_membership": frozenset({"household", "person"}),
        "person": frozenset({"primary_campus"}),
        "address": frozenset({"person"}),
        "email": frozenset({"person"}),
        "phone_number": frozenset({"person"}),
    },
    "groups": {
        "group": frozenset({"group_type", "location"}),
        "group_membership": frozenset({"group", "person"}),
        "event": frozenset({"group", "attendance_submitter", "location", "repeating_event"}),
    },
}
_KEYS = frozenset(
    {"resource", "table", "description", "sensitivity", "endpoints", "order_by", "filters", "includes", "edges"}
    | {"scopes", "parameters", "delta", "total_count", "blind_spots", "sideload", "nested", "merges", "depends_on"}
    | {"attributes", "relationships", "webhooks"}
)
_NESTED = frozenset({"under", "members", "member"})


def _write() -> Path:
    """Write the folder, unless it was written from the same files before, and return it."""
    folder = _WRITTEN / _digest() / "manifests"
    if folder.is_dir():
        return folder
    _WRITTEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_WRITTEN) as name:
        new = Path(name) / "new" / "manifests"
        # Whole, since some tests list the adapters, or write the schemas again.
        shutil.copytree(SHIPPED, new, ignore=shutil.ignore_patterns("pco"))
        (new / "pco").mkdir()
        _edit("adapter.yaml", new, _keep_products)
        for module in _RELATIONSHIPS:
            _edit(f"{module}.yaml", new, _keep_entities)
        try:
            new.parent.rename(folder.parent)
        except OSError:
            # Another process was quicker.
            if not folder.is_dir():
                raise
    return folder


def _digest() -> str:
    digest = hashlib.blake2b(digest_size=8)
    for path in (Path(__file__), *sorted(SHIPPED.rglob("*.*"))):
        digest.update(f"{path}/".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _edit(name: str, folder: Path, keep: Any) -> None:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 100_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = yaml.load((SHIPPED / "pco" / name).read_text(encoding="utf-8"))
    keep(text)
    with (folder / "pco" / name).open("w", encoding="utf-8") as file:
        yaml.dump(text, file)


def _keep_products(adapter: Any) -> None:
    _keep(adapter["products"], frozenset(_RELATIONSHIPS))
    _keep(adapter["auth"]["oauth2"]["scopes"], frozenset(_RELATIONSHIPS))


def _keep_entities(module: Any) -> None:
    kept = _RELATIONSHIPS[module["module"]]
    _keep(module["entities"], frozenset(kept))
    for name, entity in module["entities"].items():
        _keep(entity, _KEYS)
        _keep(entity.get("relationships", {}), kept[name])
        _keep(entity.get("nested", {}), _NESTED)
        sideload = entity.get("sideload", {})
        _keep(sideload, frozenset(include for include, child in sideload.items() if child in _names()))


def _names() -> Iterator[str]:
    return (name for entities in _RELATIONSHIPS.values() for name in entities)


def _keep(mapping: Any, names: frozenset[str]) -> None:
    for name in mapping.keys() - names:
        del mapping[name]


MANIFESTS = _write()
"""A manifest folder with these ten entities, and everything of the other adapters."""
