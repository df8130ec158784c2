"""Explain field by field what the mapping makes of a raw record, past the first field that rejects it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import orjson

from openfaith_sync.domain.errors import RecordRejected
from openfaith_sync.domain.ids import AdapterName, ExternalId, IdDeriver, OrgId
from openfaith_sync.domain.manifest.attribute import Parse
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.mapping.mapping import build_mapper
from openfaith_sync.domain.mapping.parsing import Refused, build_parser, json_type
from openfaith_sync.domain.mapping.references import ReferenceMapper, derive_id
from openfaith_sync.domain.records.record import RawRecord, Record, Reference
from openfaith_sync.domain.records.riding import Entities

T = TypeVar("T")

_READABLE = ExternalId("explained")
"""Stands in for an id that may be what is wrong with the record; no value depends on it."""


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """What the mapping makes of one attribute or relationship."""

    name: str
    kind: str
    """``id``, ``attribute`` or ``relationship``: the manifest's key of it is ``attributes.<name>`` and so on."""
    sent: object
    """As it came; ``None`` if it was not sent."""
    is_sent: bool
    column: str | None
    """The column that it fills, or its name among the custom fields; ``None`` where it leaves nothing."""
    stored: object
    """What is stored there."""
    problem: str | None = None
    """Why it is not stored in its column, without the value."""
    rejects: bool = False
    """Whether this is a reason for which the whole record is set aside."""
    is_private: bool = True
    """Whether its values may be personal."""


def explain_mapping(
    entity: Entity, org: OrgId, adapter: AdapterName, entities: Entities, raw: RawRecord
) -> list[ExplainedField]:
    """Return what the mapping makes of each field of a record, those that reject it first."""
    if raw.damage is not None:
        problem = f"{raw.damage.reason} (found {raw.damage.value_type})"
        return [ExplainedField(raw.damage.field, "record", None, False, None, None, problem, rejects=True)]
    found = [
        *_explain_id(entity, org, adapter, raw),
        *_explain_attributes(entity, org, adapter, entities, raw),
        *_explain_relationships(entity, org, adapter, entities, raw),
    ]
    return sorted(found, key=lambda one: (not one.rejects, one.problem is None))


def _explain_id(entity: Entity, org: OrgId, adapter: AdapterName, raw: RawRecord) -> Iterator[ExplainedField]:
    try:
        entity_id = derive_id(IdDeriver(org, adapter, entity.name), "id", raw.external_id)
    except RecordRejected as error:
        yield ExplainedField("id", "id", raw.external_id, True, None, None, _described(error), rejects=True)
    else:
        column = f"{entity.record_table.name}.id"
        yield ExplainedField("id", "id", raw.external_id, True, column, entity_id, is_private=False)


def _explain_attributes(
    entity: Entity, org: OrgId, adapter: AdapterName, entities: Entities, raw: RawRecord
) -> Iterator[ExplainedField]:
    # With an id and every reference that it needs, nothing rejects a record.
    references = {name: Reference(_READABLE, next(iter(part.targets))) for name, part in entity.relationships.items()}
    mapper = build_mapper(entity, org, adapter, entities)
    record = mapper(raw._replace(external_id=_READABLE, references=references, members=None, oddities=None))
    values = dict(zip([column.name for column in mapper.table.columns], record.values, strict=True))
    custom = _custom_fields(record)
    names = [name for name in entity.attributes if name in raw.attributes or entity.attributes[name].to]
    for name in dict.fromkeys((*names, *raw.attributes)):
        part, key = entity.attributes.get(name), f"{adapter}_{name}"
        column = part.to if part else None
        sent = raw.attributes.get(name)
        problem = _why_unreadable(entity, name, sent) if name in record.unreadable else None
        is_custom = column is None or problem is not None
        yield ExplainedField(
            name,
            "attribute",
            sent,
            name in raw.attributes,
            f"custom_fields.{key}" if is_custom else f"{entity.record_table.name}.{column}",
            custom.get(key) if is_custom else values[str(column)],
            problem,
            is_private=not entity.sensitivity_of(name).is_shown,
        )


def _why_unreadable(entity: Entity, name: str, value: object) -> str:
    """Return why a value cannot fill its column."""
    attribute, expected = entity.attributes[name], "expected text"
    if attribute.parse is not Parse.PHONE and attribute.prefer is None:
        column = next(column for column in entity.record_table.columns if column.name == attribute.to)
        try:
            build_parser((entity.name, "attributes", name), attribute, column.type).parse(value)
        except Refused as refusal:
            expected = str(refusal)
    return f"{expected} (found {json_type(value)})"


def _explain_relationships(
    entity: Entity, org: OrgId, adapter: AdapterName, entities: Entities, raw: RawRecord
) -> Iterator[ExplainedField]:
    sent: dict[str, object] = {name: _shown(found) for name, found in raw.references.items()}
    sent |= {name: [_shown(one) for one in found] for name, found in (raw.members or {}).items()}
    sent |= raw.oddities or {}
    for name in dict.fromkeys((*entity.relationships, *sent)):
        part = entity.relationships.get(name)
        alone = entity.model_copy(update={"attributes": {}, "relationships": {name: part} if part else {}})
        columns = [column.name for column in alone.record_table.columns]
        values: list[object] = [None] * len(columns)
        custom: dict[str, object] = {}
        problem, rejects = None, False
        try:
            if ReferenceMapper(alone, org, adapter, entities)(_only(raw, name), values, custom):
                problem = f"expected a reference to a {' or '.join(part.targets)}" if part else None
        except RecordRejected as error:
            problem, rejects = _described(error), True
        columns_of = {kind: to for to, kinds in part.by_column.items() for kind in kinds} if part else {}
        found = raw.references.get(name)
        column = columns_of.get(found.type, part.to) if part and found else part.to if part else None
        is_custom = column is None or problem is not None
        key = next(iter(custom), None)
        own = f"custom_fields.{key}" if key else None
        yield ExplainedField(
            name,
            "relationship",
            sent.get(name),
            name in sent,
            own if is_custom else f"{entity.record_table.name}.{column}",
            custom.get(key or "") if is_custom else values[columns.index(str(column))],
            problem,
            rejects=rejects,
            # An id says nothing of a person; any other shape may.
            is_private=name in (raw.oddities or {}),
        )


def _only(raw: RawRecord, name: str) -> RawRecord:
    """Return the record with one of its relationships and nothing else."""

    def kept(found: Mapping[str, T] | None) -> dict[str, T]:
        return {name: found[name]} if found and name in found else {}

    return raw._replace(
        attributes={},
        references=kept(raw.references),
        members=kept(raw.members) or None,
        oddities=kept(raw.oddities) or None,
    )


def _shown(found: Reference | None) -> object:
    return None if found is None else f"{found.type} {found.external_id}"


def _custom_fields(record: Record) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(record.custom_fields)
    return found


def _described(error: RecordRejected) -> str:
    return f"{error.reason} (found {error.value_type})"
