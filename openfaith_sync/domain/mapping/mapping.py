"""Mapping: a record in the source's shape to the same record in canonical shape.

A mapper is compiled once from an entity of the manifest and then called a million
times. It drops nothing: a value that no column holds, or that a column does not give
back exactly, is kept unchanged in the custom fields. A value that cannot fill its
column leaves it empty, and its attribute is named in ``Record.unreadable``.
Attributes without a column are not checked: there is nothing that they could break.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from openfaith_sync.domain.errors import RecordRejected
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, IdDeriver, OrgId, is_place
from openfaith_sync.domain.manifest.attribute import Parse
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.problem import ImpossibleMapping, ManifestProblem
from openfaith_sync.domain.mapping.composed_columns import build_choices
from openfaith_sync.domain.mapping.drift import EntityDrift
from openfaith_sync.domain.mapping.ownership import OwnerReader, build_described
from openfaith_sync.domain.mapping.parsing import (
    GivesBack,
    ParseValue,
    Refused,
    build_parser,
    is_blank,
    json_type,
    parse_text,
)
from openfaith_sync.domain.mapping.references import ReferenceMapper, derive_id
from openfaith_sync.domain.mapping.unstorable_text import storable_json, storable_text, storable_values
from openfaith_sync.domain.record_tables import ColumnType
from openfaith_sync.domain.records.record import Damage, JsonObject, MappedBatch, RawRecord, Record, Rejection
from openfaith_sync.domain.records.riding import NO_ENTITIES, Entities

MAX_SHAPES = 256
"""How many sets of attribute names are remembered per entity; a source that sends more is only slower."""

# An empty hash to copy: half the time of making one.
_EMPTY_HASH = hashlib.blake2b(digest_size=16)


class _Field(NamedTuple):
    """An attribute that fills a column by itself."""

    name: str
    place: int
    parse: ParseValue
    gives_back: GivesBack
    key: str
    """Its name among the custom fields."""


class _Shape(NamedTuple):
    """How to map the attributes of all records that have the same attribute names."""

    texts: tuple[_Field, ...]
    """Attributes that are copied to text columns, as most are."""
    parsed: tuple[_Field, ...]
    kept: tuple[tuple[str, str], ...]
    """The other attributes, with their names among the custom fields."""
    unknown: tuple[str, ...]
    """Those that the manifest does not name."""


class _MappedRaws(NamedTuple):
    """The raw records of one batch; implements ``RawBatch``."""

    mapper: "Mapper"
    raws: tuple[RawRecord, ...]

    def reject(self, external_id: ExternalId, damage: Damage) -> Rejection | None:
        """Return the rejection of the last record of this id; the source may show one twice."""
        raw = next((raw for raw in reversed(self.raws) if raw.external_id == external_id), None)
        return None if raw is None else self.mapper.reject(raw, damage)


class Mapper:
    """Maps the records of one entity of one org."""

    __slots__ = (
        "_blank",
        "_choices",
        "_derive",
        "_drift",
        "_drift_policy",
        "_fields",
        "_inactivated",
        "_map_references",
        "_places",
        "_prefix",
        "_shapes",
        "_status",
        "_status_attribute",
        "_under",
        "_version",
        "described",
        "owners_of",
        "table",
    )

    def __init__(
        self,
        entity: Entity,
        org: OrgId,
        adapter: AdapterName,
        entities: Entities = NO_ENTITIES,
        drift: EntityDrift | None = None,
    ) -> None:
        """Compile what the manifest says of the entity; see ``build_mapper``."""
        columns = entity.record_table.columns
        self.table = entity.record_table
        places = {column.name: place for place, column in enumerate(columns)}
        self._prefix = f"{adapter}_"
        self._derive = IdDeriver(org, adapter, entity.name)
        self._map_references = ReferenceMapper(entity, org, adapter, entities)
        self._choices = build_choices(entity, self._prefix)
        self._fields = _build_fields(entity, self._prefix, {choice.name for choice in self._choices})
        self._places = {name: places[part.to] for name, part in entity.attributes.items() if part.to is not None}
        self._drift, self._drift_policy = drift or EntityDrift(entity), entity.drift
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._blank: tuple[object, ...] = tuple(entity.constants.get(column.name) for column in columns)
        self.described = build_described(entity, self._prefix)
        self.owners_of = OwnerReader(entity, org, adapter)
        self._status, self._inactivated = places["status"], places["inactivated_at"]
        self._status_attribute = _find_status(entity)
        self._version = _find_version(entity)
        self._under = entity.nested.under if entity.nested else None

    def __call__(self, raw: RawRecord) -> Record:
        """Return the record in canonical shape; equal content gives equal hashes.

        Raises:
            RecordRejected: A required reference is missing, or the id cannot be stored.
        """
        entity_id = derive_id(self._derive, "id", raw.external_id)
        values = list(self._blank)
        custom: dict[str, object] = {}
        shape = self._shapes.get(names := tuple(raw.attributes)) or self._add_shape(names)
        if shape.unknown:
            self._note_unknown(shape.unknown, raw.attributes)
        unreadable = self._map_attributes(shape, raw.attributes, values, custom)
        for choice in self._choices:
            unreadable += choice.fill(raw.attributes, values, custom)
        unreadable += self._map_references(raw, values, custom)
        if values[self._status] is None:
            self._fill_status(raw.attributes, values, custom)
        for name in unreadable:
            self._drift.note_unreadable(name, raw.attributes.get(name))
        version = None if self._version is None else values[self._version]
        stored, serialised = storable_values(values)
        custom_fields = storable_json(custom) if custom else b"{}"
        content_hash = _EMPTY_HASH.copy()
        content_hash.update(serialised)
        content_hash.update(custom_fields)
        # By position: names take twice the time.
        return Record(
            raw.external_id,
            entity_id,
            version if isinstance(version, datetime) else None,
            stored,
            custom_fields,
            content_hash.digest(),
            tuple(unreadable),
        )

    def reject(self, raw: RawRecord, damage: Damage) -> Rejection:
        """Return the rejection of a record, with all that is needed to map it again."""
        parent = raw.references.get(self._under) if self._under is not None else None
        return Rejection(
            ExternalId(storable_text(raw.external_id)),
            *damage,
            raw.body,
            parent=None if parent is None else parent.external_id,
            is_whole=not is_place(raw.external_id),
            owners=self.owners_of(raw),
        )

    def _map_attributes(
        self, shape: _Shape, attributes: JsonObject, values: list[object], custom: dict[str, object]
    ) -> list[str]:
        """Fill the columns, keep the remaining attributes, and return those whose columns stay empty."""
        texts, parsed_fields, kept, _ = shape
        for key, name in kept:
            custom[key] = attributes[name]
        unreadable: list[str] = []
        for name, place, _, _, key in texts:
            value = attributes[name]
            if type(value) is str:
                values[place] = value
            elif value is not None:
                custom[key] = value
                unreadable.append(name)
        for name, place, parse, gives_back, key in parsed_fields:
            value = attributes[name]
            if value is None:
                continue
            try:
                values[place] = parsed = parse(value)
            except Refused:
                # One unreadable value does not justify rejecting the record.
                custom[key] = value
                if not is_blank(value):
                    unreadable.append(name)
                continue
            if parsed is not value and not gives_back(value, parsed):
                custom[key] = value
        return unreadable

    def _add_shape(self, names: tuple[str, ...]) -> _Shape:
        """Return how to map records with these attributes, and remember it."""
        fields = [self._fields[name] for name in names if name in self._fields]
        unknown = self._drift.note_names(names)
        left_out = unknown if self._drift_policy == "freeze" else ()
        shape = _Shape(
            texts=tuple(field for field in fields if field.parse is parse_text),
            parsed=tuple(field for field in fields if field.parse is not parse_text),
            kept=tuple(
                sorted(
                    (self._prefix + name, name) for name in names if name not in self._fields and name not in left_out
                )
            ),
            unknown=unknown,
        )
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        self._shapes[names] = shape
        return shape

    def _note_unknown(self, unknown: tuple[str, ...], attributes: JsonObject) -> None:
        for name in unknown:
            self._drift.note_type(name, attributes[name])
        if self._drift_policy == "reject":
            name = unknown[0]
            raise RecordRejected(name, json_type(attributes[name]), "the manifest does not name this attribute")

    def note_readable(self, records: Iterable[Record]) -> None:
        """Note which attributes with unreadable values have readable ones too."""
        places = [(name, self._places[name]) for name in self._drift.unreadable if name in self._places]
        if places:
            records = tuple(records)
            self._drift.note_readable(
                name for name, place in places if any(record.values[place] is not None for record in records)
            )

    def _fill_status(self, attributes: JsonObject, values: list[object], custom: dict[str, object]) -> None:
        """Set the status of a record for which the source sent none."""
        values[self._status] = "active" if values[self._inactivated] is None else "inactive"
        name = self._status_attribute
        if name is not None and name in attributes:
            custom.setdefault(self._prefix + name, None)


def build_mapper(
    entity: Entity,
    org: OrgId,
    adapter: AdapterName,
    entities: Entities = NO_ENTITIES,
    drift: EntityDrift | None = None,
) -> Mapper:
    """Return the mapper of one entity of one org.

    Args:
        entity: What the manifest says of it.
        org: Whose records they are; part of every id.
        adapter: Where they come from; part of every id and custom field name.
        entities: The entities whose records are stored. An entity id is made by
            a hash, and only a stored record's row leads back from it, so a
            reference to any other entity keeps its external id in the custom fields.
        drift: Collects where records differ from the manifest.

    Raises:
        ImpossibleMapping: The manifest asks for a mapping that cannot be.
    """
    return Mapper(entity, org, adapter, entities, drift)


def map_batch(mapper: Mapper, entity_name: EntityName, raws: Iterable[RawRecord]) -> MappedBatch:
    """Map every record; each is in the batch once, as a record or as a rejection."""
    records: list[Record] = []
    rejected: list[Rejection] = []
    raws = tuple(raws)
    for raw in raws:
        if raw.damage is not None:
            rejected.append(mapper.reject(raw, raw.damage))
            continue
        try:
            records.append(mapper(raw))
        except RecordRejected as error:
            rejected.append(mapper.reject(raw, Damage(error.field, error.value_type, error.reason)))
    mapper.note_readable(records)
    return MappedBatch(
        entity_name, tuple(records), tuple(rejected), mapper.table, mapper.described, (_MappedRaws(mapper, raws),)
    )


def _build_fields(entity: Entity, prefix: str, chosen: set[str]) -> dict[str, _Field]:
    places = {column.name: (place, column.type) for place, column in enumerate(entity.record_table.columns)}
    fields = {}
    for name, attribute in entity.attributes.items():
        if attribute.to is None or name in chosen:
            continue
        place, column = places[attribute.to]
        parser = build_parser((entity.name, "attributes", name), attribute, column)
        fields[name] = _Field(name, place, *parser, key=prefix + name)
    return fields


def _find_status(entity: Entity) -> str | None:
    name = next((name for name, part in entity.attributes.items() if part.to == "status"), None)
    if name is not None and entity.attributes[name].parse is not Parse.STATUS:
        key = (entity.name, "attributes", name)
        raise ImpossibleMapping(ManifestProblem(key, "'parse: status'", "no parse"))
    return name


def _find_version(entity: Entity) -> int | None:
    """Return the place of the version among the columns."""
    if entity.delta.attribute is None:
        return None
    wanted = entity.attributes[entity.delta.attribute].to
    for place, column in enumerate(entity.record_table.columns):
        if column.name == wanted and column.type is ColumnType.TIMESTAMP:
            return place
    key = (entity.name, "delta", "attribute")
    raise ImpossibleMapping(ManifestProblem(key, "an attribute that fills a timestamp", repr(entity.delta.attribute)))
