"""Schema drift: where a source's records differ from what the manifest says of their attributes.

Nothing is compared record by record. The mapper computes once for each set of attribute names how to map it, and
that is where an unknown name shows; a value that a column cannot hold is counted where it is set aside.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity

NO_VALUE = "null"
_TYPES = {bool: "boolean", int: "integer", float: "float", list: "array", type(None): NO_VALUE}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")

UNREADABLE_BEFORE_DRIFT = 3
"""So many records have no readable value of an attribute before its type is said to have changed."""


class DriftKind(StrEnum):
    """How the source differs from the manifest."""

    APPEARED = "appeared"
    """It sends an attribute that the manifest does not name."""
    VANISHED = "vanished"
    """None of the records that were read has an attribute that the manifest names."""
    RETYPED = "retyped"
    """No value of an attribute has the type in the manifest any more, so that its column stays empty."""
    VERSION = "version"
    """It answers in another version of its API than the one asked for."""


class Drift(NamedTuple):
    """One difference between an entity's records and the manifest. It holds no value of a record."""

    entity: EntityName
    kind: DriftKind
    name: str
    """The attribute, or the version that was asked for."""
    found: str
    """The type of its values, `null` if none had a value; or the version that the source answered in."""


class EntityDrift:
    """Collects what one entity's records show; shared by the threads that map them."""

    def __init__(self, entity: Entity) -> None:
        """Collect nothing yet."""
        self._entity = entity.name
        self._known = frozenset(entity.attributes) | frozenset(entity.drop)
        self._expected = frozenset(
            name for name, part in entity.attributes.items() if entity.fieldset or not part.sparse
        )
        self._seen: set[str] = set()
        self._appeared: dict[str, str] = {}
        self._unreadable: Counter[str] = Counter()
        self._types: dict[str, str] = {}
        self._readable: set[str] = set()
        self._versions: set[tuple[str, str]] = set()

    def note_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """Note the attribute names of a record, and return those that the manifest does not name."""
        self._seen.update(names)
        unknown = tuple(name for name in names if name not in self._known)
        for name in unknown:
            self._appeared.setdefault(name, NO_VALUE)
        return unknown

    def note_type(self, name: str, value: object) -> None:
        """Note a value of an attribute that the manifest does not name."""
        if value is not None:
            self._appeared[name] = describe_type(value)

    def note_unreadable(self, name: str, value: object) -> None:
        """Note a value that the column of its attribute cannot hold."""
        self._unreadable[name] += 1
        self._types[name] = describe_type(value)

    def note_readable(self, names: Iterable[str]) -> None:
        """Note attributes of which some value was readable."""
        self._readable.update(names)

    def note_version(self, asked: str, answered: str) -> None:
        """Note that the source answered in another version than the one asked for."""
        self._versions.add((asked, answered))

    def found(self, *, every_attribute_is_sent: bool) -> Iterator[Drift]:
        """Yield the differences found so far, sorted.

        Args:
            every_attribute_is_sent: Whether the source sends attributes without a value too, as JSON:API does;
                elsewhere a missing attribute says nothing.
        """
        for name, kind in sorted(self._appeared.items()):
            yield Drift(self._entity, DriftKind.APPEARED, name, kind)
        if self._seen and every_attribute_is_sent:
            for name in sorted(self._expected - self._seen):
                yield Drift(self._entity, DriftKind.VANISHED, name, NO_VALUE)
        for name, count in sorted(self._unreadable.items()):
            if count >= UNREADABLE_BEFORE_DRIFT and name not in self._readable and name in self._known:
                yield Drift(self._entity, DriftKind.RETYPED, name, self._types[name])
        for asked, answered in sorted(self._versions):
            yield Drift(self._entity, DriftKind.VERSION, asked, answered)

    @property
    def unreadable(self) -> frozenset[str]:
        """Return the attributes of which some value could not be read."""
        return frozenset(self._unreadable)


def describe_type(value: object) -> str:
    """Return the type that a manifest would give an attribute with this value; `null` for no value."""
    if type(value) is str:
        return "date" if _DATE.fullmatch(value) else "date_time" if _TIME.match(value) else "string"
    return _TYPES.get(type(value), "json")


class DriftLog:
    """What one sync finds of all its entities: its own, and those that are sideloaded with it."""

    def __init__(self) -> None:
        """Begin without any entity."""
        self._entities: dict[EntityName, EntityDrift] = {}

    @property
    def entities(self) -> tuple[EntityName, ...]:
        """Return the entities whose records were mapped."""
        return tuple(self._entities)

    def of(self, entity: Entity) -> EntityDrift:
        """Return what is collected of one entity."""
        return self._entities.setdefault(entity.name, EntityDrift(entity))

    def found(self, *, every_attribute_is_sent: bool) -> tuple[Drift, ...]:
        """Return all differences, sorted by entity; see ``EntityDrift.found``."""
        return tuple(
            drift
            for _, entity in sorted(self._entities.items())
            for drift in entity.found(every_attribute_is_sent=every_attribute_is_sent)
        )
