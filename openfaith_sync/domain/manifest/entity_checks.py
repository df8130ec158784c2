"""Checks an entity for contradictions in itself and with the canonical tables."""

from collections.abc import Iterator

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES, GIFTS
from openfaith_sync.domain.manifest.attribute import AttributeType, Parse
from openfaith_sync.domain.manifest.cadence_keys import NEVER
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability, EntityKeys
from openfaith_sync.domain.manifest.nested_keys import Nested, path_parameters
from openfaith_sync.domain.manifest.privacy import privacy_problems
from openfaith_sync.domain.manifest.problem import Key, ManifestProblem
from openfaith_sync.domain.record_tables import ColumnType, RecordTable

_TIMES = frozenset({AttributeType.DATE, AttributeType.DATE_TIME})


def entity_problems(entity: EntityKeys) -> list[ManifestProblem]:
    """Return the contradictions in an entity, and those with the canonical tables."""
    if entity.table is not None and entity.table not in CANONICAL_TABLES:
        known = ", ".join(sorted(CANONICAL_TABLES))
        return [
            ManifestProblem(("table",), f"one of {known}; without this key it has a source table", repr(entity.table))
        ]
    problems = list(_canonical_problems(entity, CANONICAL_TABLES[entity.table])) if entity.table else []
    if entity.table is None:
        canonical: list[Key] = [("constants",)] if entity.constants else []
        canonical += [("relationships", name, "columns") for name, one in entity.relationships.items() if one.columns]
        problems += [ManifestProblem(key, "no such key, since it fills no canonical table") for key in canonical]
    for name, relationship in entity.relationships.items():
        if relationship.to and relationship.cardinality == "many":
            problems.append(
                ManifestProblem(("relationships", name, "to"), "null: a to-many relationship fills no column")
            )
    problems += [
        ManifestProblem(("attributes", name, "prefer"), "an attribute of this entity", repr(attribute.prefer))
        for name, attribute in entity.attributes.items()
        if attribute.prefer and attribute.prefer not in entity.attributes
    ]
    problems += [
        ManifestProblem(
            ("attributes", name, "extension"), "it together with 'parse: phone' and 'to'", repr(attribute.extension)
        )
        for name, attribute in entity.attributes.items()
        if attribute.extension and (attribute.parse is not Parse.PHONE or (entity.table and attribute.to is None))
    ]
    problems += [
        ManifestProblem((key, include), f"one of includes: {', '.join(entity.includes)}", repr(include))
        for key, names in (("sideload", entity.sideload), ("include", entity.include))
        for include in names
        if include.split(".")[0] not in entity.includes
    ]
    problems += _variant_problems(entity)
    problems += _single_object_problems(entity)
    problems += _cadence_problems(entity)
    problems += _count_problems(entity)
    problems += [
        ManifestProblem(("drop", name), "an attribute that is in drop only", repr(name))
        for name in entity.drop
        if name in entity.attributes
    ]
    problems += _delta_problems(entity)
    problems += privacy_problems(entity)
    problems += _path_problems(entity)
    if entity.nested is not None:
        problems += _nested_problems(entity, entity.nested)
    get = entity.endpoints.get
    is_one = entity.nested is not None and entity.nested.one
    if (
        get is not None
        and not is_one
        and not any("{id}" in text for text in (get, *entity.endpoints.get_parameters.values()))
    ):
        problems.append(ManifestProblem(("endpoints", "get"), "a path with {id}", repr(get)))
    return problems


def _canonical_problems(entity: EntityKeys, table: RecordTable) -> Iterator[ManifestProblem]:
    """Yield the columns that the canonical table does not have, or that would be filled twice."""
    columns = {column.name for column in table.columns}
    filled: dict[str, Key] = {}
    targets: list[tuple[Key, str | None]] = [(("attributes", n, "to"), a.to) for n, a in entity.attributes.items()]
    targets += [(("attributes", n, "extension"), a.extension) for n, a in entity.attributes.items()]
    targets += [(("relationships", n, "to"), to) for n, r in entity.relationships.items() for to in r.by_column]
    targets += [(("constants", name), name) for name in entity.constants]
    for key, column in targets:
        if column is None:
            continue
        if column not in columns:
            yield ManifestProblem(key, f"a column of {table.name}: {', '.join(sorted(columns))}", repr(column))
        elif column in filled:
            expected = f"another column: {'.'.join(filled[column])} already fills this one"
            yield ManifestProblem(key, expected, repr(column))
        filled[column] = key
    yield from _constant_problems(entity, table)
    for name, relationship in entity.relationships.items():
        for wire_type in relationship.columns:
            if relationship.to is None or wire_type not in relationship.others:
                key = ("relationships", name, "columns", wire_type)
                yield ManifestProblem(key, "one of 'others', with 'to'", repr(wire_type))


def _constant_problems(entity: EntityKeys, table: RecordTable) -> Iterator[ManifestProblem]:
    types = {column.name: column.type for column in table.own}
    for name, value in entity.constants.items():
        wanted = ColumnType.BOOLEAN if isinstance(value, bool) else ColumnType.TEXT
        if types.get(name, wanted) is not wanted:
            yield ManifestProblem(("constants", name), f"a value of type {types[name].value}", repr(value))


def _path_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    nested = entity.nested
    read_by = {"list": (entity.endpoints.list, entity.parameters)}
    if entity.endpoints.get is not None:
        read_by["get"] = (entity.endpoints.get, entity.endpoints.get_parameters)
    for name, (path, parameters) in read_by.items():
        # A parent that is the only one below its own parent may be in no path: /donations/{donation}/refund/….
        has_parent = any("{parent}" in text for text in (path, *parameters.values())) or any(path_parameters(path))
        if nested and not has_parent:
            yield ManifestProblem(("endpoints", name), "a path with {parent}, since the entity is nested", repr(path))
        if not nested and has_parent:
            yield ManifestProblem(("endpoints", name), "no {parent}, since the entity is not nested", repr(path))


def _nested_problems(entity: EntityKeys, nested: Nested) -> Iterator[ManifestProblem]:
    for key in ("singleton", "variants"):
        if getattr(entity, key):
            yield ManifestProblem((key,), "none, since the entity is nested")
    under = entity.relationships.get(nested.under)
    if under is None or under.cardinality == "many" or under.nullable:
        expected = "a required to-one relationship of this entity"
        yield ManifestProblem(("nested", "under"), expected, repr(nested.under))
    if nested.members is None and nested.member is not None:
        yield ManifestProblem(("nested", "members"), "the parent's relationship that names the members")
    if nested.member is not None and nested.member not in entity.relationships:
        yield ManifestProblem(("nested", "member"), "a relationship of this entity", repr(nested.member))
    if nested.rides and entity.delta.by is not DeltaCapability.NONE:
        yield ManifestProblem(("delta", "by"), "none, since it rides along", repr(entity.delta.by.value))


def _variant_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    if len(entity.variants) == 1:
        yield ManifestProblem(("variants",), "at least two sets; a single one belongs into parameters")
    for place, variant in enumerate(entity.variants):
        for name in variant.keys() & entity.parameters.keys():
            yield ManifestProblem(("variants", str(place), name), "a parameter that is not in parameters")


def _single_object_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    """Yield the keys that make no sense for a path that gives one object."""
    if not entity.singleton and not (entity.nested is not None and entity.nested.one):
        return
    if entity.delta.by is not DeltaCapability.NONE:
        yield ManifestProblem(("delta", "by"), "none, since its path gives one object", repr(entity.delta.by.value))
    for key in ("variants", "page_size"):
        if getattr(entity, key):
            yield ManifestProblem((key,), "none, since its path gives one object")


def _cadence_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    cadence = entity.cadence
    for key, window in (("delta_window", cadence.delta_window), ("reconcile_window", cadence.reconcile_window)):
        if window is None:
            continue
        if window.attribute not in entity.filters or window.attribute not in entity.attributes:
            yield ManifestProblem(("cadence", key, "attribute"), "an attribute that is one of filters")
        if window.from_days is None and window.to_days is None:
            yield ManifestProblem(("cadence", key), "from_days, to_days or both")
    compared = cadence.reconcile_window and entity.attributes.get(cadence.reconcile_window.attribute)
    if compared and (compared.type not in _TIMES or (entity.table is not None and compared.to is None)):
        # What lies outside the window is told by what is stored.
        place = ("cadence", "reconcile_window", "attribute")
        yield ManifestProblem(place, "a date_time or date that is stored in a column")
    if cadence.delta_window is not None and entity.delta.by is not DeltaCapability.NONE:
        yield ManifestProblem(("cadence", "delta_window"), "none, since the source can be asked for changes")
    if cadence.full != NEVER and cadence.reconcile_window is None:
        yield ManifestProblem(("cadence", "full"), "never, since reconcile covers everything")


def _count_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    counts = entity.monthly_counts
    if counts is None:
        return
    attribute = entity.attributes.get(counts.attribute)
    if counts.attribute not in entity.filters or attribute is None or attribute.type is not AttributeType.DATE_TIME:
        yield ManifestProblem(("monthly_counts", "attribute"), "a date_time attribute that is one of filters")
    if entity.table != GIFTS:
        yield ManifestProblem(("monthly_counts",), f"none, since it does not fill {GIFTS}")


def _delta_problems(entity: EntityKeys) -> list[ManifestProblem]:
    delta, problems = entity.delta, list[ManifestProblem]()
    if delta.by is not DeltaCapability.NONE and delta.attribute is None:
        problems.append(ManifestProblem(("delta", "attribute"), f"an attribute, since delta.by is {delta.by}"))
    if delta.attribute is None:
        return problems
    if delta.attribute not in entity.attributes:
        problems.append(ManifestProblem(("delta", "attribute"), "an attribute of this entity", repr(delta.attribute)))
    if delta.by is DeltaCapability.FILTER and delta.attribute not in entity.filters:
        expected = f"ordered or none, since {delta.attribute} is not one of filters"
        problems.append(ManifestProblem(("delta", "by"), expected, repr(delta.by.value)))
    if delta.by is not DeltaCapability.NONE and delta.attribute not in entity.order_by:
        expected = f"none, since {delta.attribute} is not one of order_by"
        problems.append(ManifestProblem(("delta", "by"), expected, repr(delta.by.value)))
    return problems
