"""What in an entity its adapter's dialect does not know, or cannot do without."""

import re
from collections.abc import Iterator

from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.dialect_files import ADAPTER_FILES, JsonApiKeys, PlainKeys
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability, EntityKeys

_WHERE = re.compile(r"where\[([a-z0-9_]+)\](?:\[(?:gt|gte|lt|lte)\])?")


def dialect_problems(dialect: str, adapter_file: AdapterFile | None, entity: EntityKeys) -> Iterator[str]:
    """Yield what an entity needs or must not have in a dialect; ``adapter_file`` is missing when it holds mistakes."""
    model = ADAPTER_FILES.get(dialect)
    if model is not None and issubclass(model, JsonApiKeys):
        yield from _json_api_problems(entity)
    if isinstance(adapter_file, PlainKeys):
        yield from _plain_problems(adapter_file, entity)


def _json_api_problems(entity: EntityKeys) -> Iterator[str]:
    if not entity.resource:
        yield "resource: found nothing, expected the JSON:API type on the wire"
    for name, relationship in entity.relationships.items():
        if not relationship.resource:
            yield f"relationships.{name}.resource: found nothing, expected the JSON:API type on the wire"
    if entity.total_count == "none":
        yield "total_count: found 'none', expected exact or unreliable: every JSON:API listing states meta.total_count"
    if entity.endpoints.get_parameters:
        yield "endpoints.get_parameters: found a mapping, expected none: a JSON:API record is read by its path"
    for name, attribute in entity.attributes.items():
        for key in ("at", "format", "empty"):
            if getattr(attribute, key):
                yield f"attributes.{name}.{key}: found a value, expected none in the JSON:API dialect"
    yield from _parameter_problems(entity)


def _plain_problems(adapter_file: PlainKeys, entity: EntityKeys) -> Iterator[str]:
    delta = entity.delta
    if delta.by is DeltaCapability.FILTER and adapter_file.changes is None:
        yield "delta.by: found 'filter', expected none or ordered, since adapter.yaml has no key changes"
    if delta.by is not DeltaCapability.NONE and adapter_file.order is None:
        yield f"delta.by: found {delta.by.value!r}, expected none, since adapter.yaml has no key order"
    if entity.total_count != "none" and adapter_file.total is None and entity.is_paged:
        yield f"total_count: found {entity.total_count!r}, expected none, since adapter.yaml has no key total"
    for name, relationship in entity.relationships.items():
        if relationship.cardinality == "many":
            yield f"relationships.{name}.cardinality: found 'many', expected one where records are plain"
    for key in ("includes", "sideload", "merges"):
        if getattr(entity, key):
            yield f"{key}: found a value, expected none where records are plain"


def _parameter_problems(entity: EntityKeys) -> Iterator[str]:
    for name in entity.parameters:
        filtered = _WHERE.fullmatch(name)
        if filtered is None and name != "filter":
            yield f"parameters: found {name!r}, expected where[...] or filter; all others are set by the engine"
        elif filtered and filtered[1] not in entity.filters:
            known = ", ".join(entity.filters)
            yield f"parameters: found {name!r}, expected one of filters: {known}; the source ignores unknown ones"
        elif filtered and filtered[1] == entity.delta.attribute:
            yield f"parameters: found {name!r}, which deltas set themselves"
