"""What in an entity contradicts itself or the canonical tables."""

from collections.abc import Iterator

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.manifest.attribute import Parse
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability, EntityKeys


def entity_problems(entity: EntityKeys) -> list[str]:
    """Say what in an entity contradicts itself or the canonical tables."""
    problems: list[str] = []
    table = CANONICAL_TABLES.get(entity.table)
    if table is None:
        known = ", ".join(sorted(CANONICAL_TABLES))
        return [f"table: found {entity.table!r}, expected one of {known}"]
    columns = {column.name for column in table.columns}
    filled: dict[str, str] = {}
    targets = [(f"attributes.{n}.to", a.to) for n, a in entity.attributes.items()]
    targets += [(f"attributes.{n}.extension", a.extension) for n, a in entity.attributes.items()]
    targets += [(f"relationships.{n}.to", r.to) for n, r in entity.relationships.items()]
    for key, column in targets:
        if column is None:
            continue
        if column not in columns:
            expected = ", ".join(sorted(columns))
            problems.append(f"{key}: found {column!r}, expected a column of {entity.table}: {expected}")
        elif column in filled:
            problems.append(f"{key}: found {column!r}, which {filled[column]} fills already")
        filled[column] = key
    for name, relationship in entity.relationships.items():
        if relationship.to and relationship.cardinality == "many":
            problems.append(f"relationships.{name}.to: a to-many cannot fill a column")
    problems += [
        f"attributes.{name}.prefer: found {attribute.prefer!r}, expected an attribute of this entity"
        for name, attribute in entity.attributes.items()
        if attribute.prefer and attribute.prefer not in entity.attributes
    ]
    problems += [
        f"attributes.{name}.extension: found {attribute.extension!r}, expected it beside 'parse: phone' and 'to'"
        for name, attribute in entity.attributes.items()
        if attribute.extension and (attribute.parse is not Parse.PHONE or attribute.to is None)
    ]
    problems += [
        f"sideload.{include}: found {include!r}, expected one of includes: {', '.join(entity.includes)}"
        for include in entity.sideload
        if include not in entity.includes
    ]
    problems += _delta_problems(entity)
    problems += _nested_problems(entity)
    get = entity.endpoints.get
    if get is not None and not any("{id}" in text for text in (get, *entity.endpoints.get_parameters.values())):
        problems.append(f"endpoints.get: found {get!r}, expected a path with {{id}}")
    return problems


def _nested_problems(entity: EntityKeys) -> Iterator[str]:
    nested = entity.nested
    read_by = {"list": (entity.endpoints.list, entity.parameters)}
    if entity.endpoints.get is not None:
        read_by["get"] = (entity.endpoints.get, entity.endpoints.get_parameters)
    for name, (path, parameters) in read_by.items():
        has_parent = any("{parent}" in text for text in (path, *parameters.values()))
        if nested and not has_parent:
            yield f"endpoints.{name}: found {path!r}, expected a path with {{parent}}, since the entity is nested"
        if not nested and has_parent:
            yield f"endpoints.{name}: found {path!r}, expected no {{parent}}, since the entity is not nested"
    if nested is None:
        return
    under = entity.relationships.get(nested.under)
    if under is None or under.cardinality == "many" or under.nullable:
        yield f"nested.under: found {nested.under!r}, expected a required to-one relationship of this entity"
    if (nested.members is None) != (nested.member is None):
        yield "nested: found one of members and member, expected both or neither"
    if nested.member is not None and nested.member not in entity.relationships:
        yield f"nested.member: found {nested.member!r}, expected a relationship of this entity"
    if entity.delta.by is not DeltaCapability.NONE:
        yield f"delta.by: found {entity.delta.by.value!r}, expected none, since the entity is nested"


def _delta_problems(entity: EntityKeys) -> list[str]:
    delta, problems = entity.delta, []
    if delta.by is not DeltaCapability.NONE and delta.attribute is None:
        problems.append(f"delta.attribute: found nothing, expected an attribute, since delta.by is {delta.by}")
    if delta.attribute is None:
        return problems
    if delta.attribute not in entity.attributes:
        problems.append(f"delta.attribute: found {delta.attribute!r}, expected an attribute of this entity")
    if delta.by is DeltaCapability.FILTER and delta.attribute not in entity.filters:
        problems.append(f"delta.by: found 'filter', but {delta.attribute} is not one of filters")
    if delta.by is not DeltaCapability.NONE and delta.attribute not in entity.order_by:
        problems.append(f"delta.by: found {delta.by.value!r}, but {delta.attribute} is not one of order_by")
    return problems
