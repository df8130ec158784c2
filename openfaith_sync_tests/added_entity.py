"""A manifest with an entity more: a copy of the one with ten, to which an entry is added and nothing else."""

import shutil
from pathlib import Path

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.ten_entities import MANIFESTS

NOTE = EntityName("note")
ENTRY = """
  note:
    resource: Note
    description: A note about a person.
    endpoints: {list: /notes, get: "/notes/{id}"}
    order_by: [created_at, display_date, id, note, note_category_id, updated_at]
    filters: [note, note_category_id]
    delta: {by: ordered, attribute: updated_at, overlap_seconds: 300}
    webhooks: [people.v2.events.note.created, people.v2.events.note.destroyed]
    relationships:
      person: {target: person, resource: Person, nullable: false, always: true}
      created_by: {target: person, resource: Person, always: true}
      note_category: {target: note_category, resource: NoteCategory, always: true}
    attributes:
      created_at: {type: date_time}
      created_by_id: {type: primary_key, wire: number}
      display_date: {type: date_time}
      note: {type: string}
      note_category_id: {type: primary_key, wire: number}
      person_id: {type: primary_key, wire: number}
      updated_at: {type: date_time}
"""


def add_note(folder: Path, **replaced: str) -> Path:
    """Copy the manifests to a folder, add notes to PCO's people, and return the folder.

    ``replaced`` names lines of attributes that are written otherwise: ``note="{type: json}"``.
    """
    root = folder / "manifests"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(MANIFESTS, root)
    entry = ENTRY
    for name, text in replaced.items():
        lines = entry.splitlines()
        place = next((n for n, line in enumerate(lines) if line.startswith(f"      {name}: ")), None)
        lines[place if place is not None else len(lines) : None if place is None else place + 1] = [
            f"      {name}: {text}"
        ]
        entry = "\n".join(lines) + "\n"
    with (root / "pco/people.yaml").open("a") as file:
        file.write(entry)
    return root


def read_with_note(folder: Path, **replaced: str) -> Manifest:
    """Return PCO's manifest with notes."""
    return read_manifest(add_note(folder, **replaced), "pco")
