"""Ids, paths with ids, and rows without a usable id, for all dialects."""

import hashlib
import re
from collections.abc import Collection, Sequence
from urllib.parse import quote

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import UNIDENTIFIED, ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.mapping.parsing import json_type
from openfaith_sync.domain.mapping.unstorable_text import storable_json
from openfaith_sync.domain.records.record import Damage, JsonObject, RawRecord, Reference

# Ids become keys, paths and array elements: no white space, control characters or text that PostgreSQL rejects.
MAX_ID_CHARACTERS = 200
_ID = re.compile(rf"[^\s\x00-\x1f\x7f\ud800-\udfff]{{1,{MAX_ID_CHARACTERS}}}")
WITHHELD = "withheld: attributes that are never kept could not be told from the others"
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def parse_identity(found: object) -> ExternalId | None:
    """Return an id as text, from text or an integer; ``None`` for anything else."""
    if type(found) is int:
        found = str(found)
    if type(found) is not str:
        return None
    # Nearly all ids are short numbers, and the pattern takes three times as long.
    is_number = found.isdigit() and len(found) <= MAX_ID_CHARACTERS
    return ExternalId(found) if is_number or _ID.fullmatch(found) else None


def fill_path(path: str, /, **ids: ExternalId | None) -> str:
    """Return a path with an id for each of its path parameters, quoted as one segment.

    Raises:
        DefinitionError: A path parameter has no id.
    """
    return _PLACEHOLDER.sub(lambda found: quote(_require(path, found[1], ids.get(found[1])), safe=""), path)


def fill_parameter(text: str, /, **ids: ExternalId | None) -> str:
    """Return a query parameter with its ids filled in; the transport quotes it."""
    for name, identity in ids.items():
        if f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", _require(text, name, identity))
    return text


def unidentified_record(
    found: object, field: str, value: object, reason: str, attributes: object = None, *, is_withheld: bool = False
) -> RawRecord:
    """Return the damaged record of a row without a usable id; its own id is derived from its content.

    The body of a row that is withheld does not contain it.
    """
    digest = hashlib.sha256(storable_json(found)).hexdigest()[:32]
    return RawRecord(
        ExternalId(f"{UNIDENTIFIED}{digest}"),
        # Its version shows its position in an ordered listing.
        attributes if isinstance(attributes, dict) else {},
        {},
        {"row": WITHHELD if is_withheld else found},
        damage=Damage(field, json_type(value), reason),
    )


def without_dropped(row: JsonObject, drop: Collection[str]) -> JsonObject:
    """Return a row without the values that are never kept."""
    return row if row.keys().isdisjoint(drop) else {name: value for name, value in row.items() if name not in drop}


def stored_row(body: JsonObject) -> object:
    """Return the row of a record's body as it came, without what ``unidentified_record`` put around it."""
    return body["row"] if "row" in body and body.keys() <= {"row", "place"} else body


def with_positions(records: tuple[RawRecord, ...], listing: str, offset: int) -> tuple[RawRecord, ...]:
    """Return the records of a page, with the position in the listing added to unidentified ones."""
    if all(record.damage is None for record in records):
        return records
    return tuple(
        record._replace(body={**record.body, "place": _place(records, index, listing, offset)})
        if record.is_unidentified
        else record
        for index, record in enumerate(records)
    )


def with_parent(entity: Entity, parent: ExternalId | None, record: RawRecord) -> RawRecord:
    """Return a nested record with a reference to its parent, which many sources state only in the path."""
    if entity.nested is None or parent is None:
        return record
    relationship = entity.relationships[entity.nested.under]
    under = Reference(parent, relationship.resource or relationship.target)
    return record._replace(references={**record.references, entity.nested.under: under})


def _require(template: str, name: str, identity: ExternalId | None) -> ExternalId:
    if not identity:
        raise DefinitionError(f"{template} needs the {name}'s id")
    return identity


def _place(records: Sequence[RawRecord], index: int, listing: str, offset: int) -> JsonObject:
    after = records[index - 1].external_id if index else None
    return {"listing": listing, "offset": offset, "index": index, "after": after}
