"""Records of entities without a realistic maker, generated from attribute names and types."""

import random
from collections.abc import Iterator
from typing import Any

from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.simulator.data import word_lists as words
from openfaith_sync.simulator.data.record_makers import NewRecord, id_sequence, pick
from openfaith_sync.simulator.data.tables import Reference
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS, DAY_SECONDS, to_date_text, to_text

_LEAST, _PEOPLE_A_RECORD = 3, 20


def invent(entity: Entity, people: int, seed: int) -> Iterator[NewRecord]:
    """Yield records of an entity, without references, which need all records to exist."""
    rng = random.Random(f"{seed}:{people}:{entity.name}")  # noqa: S311  invented values need no secrecy
    count = max(_LEAST, people // _PEOPLE_A_RECORD)
    ids = id_sequence(seed, entity.name, count)
    for _ in range(count):
        yield NewRecord(entity.name, next(ids), invent_values(entity, set(entity.attributes), rng))


def invent_values(entity: Entity, names: set[str], rng: random.Random) -> dict[str, Any]:
    """Return values for these attributes; ``updated_at`` is never before ``created_at``."""
    values = {name: _value(name, entity.attributes[name], rng) for name in sorted(names)}
    if {"created_at", "updated_at"} <= names:
        values["created_at"], values["updated_at"] = sorted((values["created_at"], values["updated_at"]))
    return values


def invent_references(
    entity: Entity, names: set[str], known: dict[str, list[int]], rng: random.Random
) -> dict[str, Reference]:
    """Return references to existing records, or to made-up ids for entities without a table."""
    references: dict[str, Reference] = {}
    for name in sorted(names):
        declared = entity.relationships[name]
        targets = known.get(declared.target, [500_001, 500_002, 500_003])
        if declared.cardinality == "many":
            references[name] = sorted(set(rng.choices(targets, k=2))) if targets else []
        elif targets and not (declared.nullable and rng.random() < 0.2):  # noqa: PLR2004
            references[name] = pick(rng, targets)
    return references


def _value(name: str, attribute: Attribute, rng: random.Random) -> Any:
    # Drawn for every type alike, so that an attribute more leaves the others as they are.
    moment = BASE_SECONDS - int(rng.random() * 2000 * DAY_SECONDS)
    whole = int(rng.random() * 1000)
    match attribute.type:
        case AttributeType.DATE:
            return to_date_text(moment)
        case AttributeType.DATE_TIME | AttributeType.LOCAL_DATE_TIME:
            return to_text(moment)
        case AttributeType.STRING:
            return _text(name, whole, rng)
        case _:
            return _plain_value(attribute, whole)


def _plain_value(attribute: Attribute, whole: int) -> Any:
    match attribute.type:
        case AttributeType.BOOLEAN:
            return whole % 2 == 0
        case AttributeType.FLOAT:
            return f"{whole / 10}" if attribute.wire == "string" else whole / 10
        case AttributeType.JSON | AttributeType.ARRAY:
            return {} if attribute.type is AttributeType.JSON else [str(whole)] if whole % 3 else []
        case AttributeType.CURRENCY:
            return "USD"
        case AttributeType.PRIMARY_KEY:
            return whole if attribute.wire == "number" else str(whole)
        case _:
            return whole


def _text(name: str, whole: int, rng: random.Random) -> str | None:
    if "email" in name:
        return f"someone{whole}@example.org"
    if name.endswith("url"):
        return f"https://church.example.org/{name}/{whole}"
    if "name" in name:
        return f"{pick(rng, words.LAST)} {whole}"
    return None if whole % 4 == 0 else f"{name.replace('_', ' ').capitalize()} {whole}"
