"""Reads plain rows as raw records; a damaged row affects only its own record."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from openfaith_sync.adapters.dialects.pages.rows import parse_identity, unidentified_record, without_dropped
from openfaith_sync.adapters.dialects.plain.documents import value_below
from openfaith_sync.adapters.dialects.plain.values import AttributeReader
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.records.record import RawRecord, Reference


class RowReader:
    """Reads the rows of one entity."""

    def __init__(self, entity: Entity, zone: ZoneInfo | None, *, blank_is_missing: bool) -> None:
        """Prepare to read the rows of an entity, as its manifest describes them."""
        self._id_path, self._is_number = entity.id, entity.id_format == "number"
        self._drop = entity.drop
        self._attributes = AttributeReader(entity, zone, blank_is_missing=blank_is_missing)
        self._references = [
            (name, part.at or name, part.resource or part.target)
            for name, part in entity.relationships.items()
            if part.cardinality == "one" and (entity.nested is None or name != entity.nested.under)
        ]

    def read(self, row: object) -> RawRecord:
        """Return the record of a row, marked as damaged if it is malformed."""
        if not isinstance(row, Mapping):
            return unidentified_record(row, "record", row, "expected a record", is_withheld=bool(self._drop))
        if self._drop:
            row = without_dropped(row, self._drop)
        external_id = self._identity(value_below(row, self._id_path))
        if external_id is None:
            expected = "a number" if self._is_number else "an id, as text or number"
            return unidentified_record(row, "id", value_below(row, self._id_path), f"expected {expected}", row)
        references: dict[str, Reference | None] = {}
        oddities: dict[str, object] = {}
        for name, path, kind in self._references:
            value = value_below(row, path)
            target = parse_identity(value)
            references[name] = Reference(target, kind) if target is not None else None
            if target is None and value not in (None, ""):
                oddities[name] = value
                del references[name]
        return RawRecord(external_id, self._attributes.read(row), references, row, None, oddities or None)

    def _identity(self, found: object) -> ExternalId | None:
        external_id = parse_identity(found)
        is_wrong = external_id is not None and self._is_number and not (external_id.isascii() and external_id.isdigit())
        return None if is_wrong else external_id
