"""Checks an entity for keys that its adapter's dialect requires or does not support."""

import re
from collections.abc import Iterator

from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.dialect_files import ADAPTER_FILES, JsonApiKeys, PlainKeys
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability, EntityKeys
from openfaith_sync.domain.manifest.problem import Key, ManifestProblem

_WHERE = re.compile(r"where\[([a-z0-9_]+)\](?:\[(?:gt|gte|lt|lte)\])?")


def dialect_problems(dialect: str, adapter_file: AdapterFile | None, entity: EntityKeys) -> Iterator[ManifestProblem]:
    """Yield the problems of an entity in a dialect; ``adapter_file`` is ``None`` if it has mistakes."""
    model = ADAPTER_FILES.get(dialect)
    if model is not None and issubclass(model, JsonApiKeys):
        yield from _json_api_problems(entity)
    if isinstance(adapter_file, PlainKeys):
        yield from _plain_problems(adapter_file, entity)


def _json_api_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    if not entity.resource:
        yield ManifestProblem(("resource",), "the JSON:API type on the wire")
    for name, relationship in entity.relationships.items():
        if not relationship.resource:
            yield ManifestProblem(("relationships", name, "resource"), "the JSON:API type on the wire")
    if entity.total_count == "none":
        yield ManifestProblem(
            ("total_count",), "exact or unreliable: every JSON:API listing states meta.total_count", "'none'"
        )
    if entity.endpoints.get_parameters:
        yield ManifestProblem(("endpoints", "get_parameters"), "none: a JSON:API record is read by its path")
    for name, attribute in entity.attributes.items():
        for key in ("at", "format", "empty"):
            if getattr(attribute, key):
                yield ManifestProblem(("attributes", name, key), "none in the JSON:API dialect")
    yield from _parameter_problems(entity)


def _plain_problems(adapter_file: PlainKeys, entity: EntityKeys) -> Iterator[ManifestProblem]:
    delta = entity.delta
    if delta.by is DeltaCapability.FILTER and adapter_file.changes is None:
        yield ManifestProblem(("delta", "by"), "none or ordered, since adapter.yaml has no key changes", "'filter'")
    if delta.by is not DeltaCapability.NONE and adapter_file.order is None:
        yield ManifestProblem(("delta", "by"), "none, since adapter.yaml has no key order", repr(delta.by.value))
    if entity.total_count != "none" and adapter_file.total is None and entity.is_paged:
        yield ManifestProblem(("total_count",), "none, since adapter.yaml has no key total", repr(entity.total_count))
    for name, relationship in entity.relationships.items():
        if relationship.cardinality == "many":
            yield ManifestProblem(("relationships", name, "cardinality"), "one in dialects of plain records", "'many'")
    for key in ("includes", "include", "sideload", "fieldset", "merges"):
        if getattr(entity, key):
            yield ManifestProblem((key,), "none in dialects of plain records")


def _parameter_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    named: list[tuple[Key, str]] = [(("parameters",), name) for name in entity.parameters]
    named += [(("variants", str(place)), name) for place, variant in enumerate(entity.variants) for name in variant]
    for key, name in named:
        filtered = _WHERE.fullmatch(name)
        if filtered is None and name != "filter":
            yield ManifestProblem(key, "where[...] or filter; all others are set by the engine", repr(name))
        elif filtered and filtered[1] not in entity.filters:
            expected = f"one of filters: {', '.join(entity.filters)}; the source ignores unknown ones"
            yield ManifestProblem(key, expected, repr(name))
        elif filtered and filtered[1] == entity.delta.attribute:
            yield ManifestProblem(key, "another filter: deltas set this one themselves", repr(name))
