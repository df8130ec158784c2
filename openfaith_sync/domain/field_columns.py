"""The columns of custom fields: one for each field of an org, which keeps its first name for good."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.record_tables import RESERVED_COLUMNS

KEPT_FOR = timedelta(days=30)
"""How long a field that was deleted at its source keeps its column: whoever deletes one by mistake restores it soon."""

MOST_LETTERS = 55
MOST_BYTES = 63
"""Of a name in PostgreSQL."""
RESERVED = RESERVED_COLUMNS | {"person_id", "unread"} | {column.name for column in CANONICAL_TABLES["people"].own}
"""Names that the columns beside them have, in the view or in a data frame of people."""

WITHOUT_VALUES = frozenset({"header"})
"""Types of what is shown among fields and holds nothing."""

TYPES: Mapping[str, str] = {"number": "double precision", "date": "date", "boolean": "boolean", "checkboxes": "text[]"}
"""The type of a column as PostgreSQL writes it, by the type of its field; text for all others."""


@dataclass(frozen=True, slots=True)
class Field:
    """A custom field of an org, as it is stored."""

    id: str
    external_id: str
    name: str | None
    slug: str | None
    data_type: str
    left_at: datetime | None = None
    """When it was deleted at its source."""


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """The column of a field."""

    name: str
    field: Field

    @property
    def type(self) -> str:
        """Return its type as PostgreSQL writes it."""
        return TYPES.get(self.field.data_type, "text")


def field_columns(fields: Iterable[Field], names: Mapping[str, str], now: datetime) -> Sequence[FieldColumn]:
    """Return the columns of an org's fields: those with a name first, in its order, then the new ones.

    Args:
        fields: All fields of the org, the new ones in the order in which they are to be named.
        names: The names that were given before, by the field's id, oldest first.
        now: When it is; a field that left long ago has no column.
    """
    by_id = {field.id: field for field in fields if field.data_type not in WITHOUT_VALUES}
    given = dict(names)
    taken = set(given.values())
    for field in by_id.values():
        if field.id not in given and _has_column(field, now):
            given[field.id] = _free_name(field, taken)
            taken.add(given[field.id])
    return [
        FieldColumn(name, by_id[field_id])
        for field_id, name in given.items()
        if field_id in by_id and _has_column(by_id[field_id], now)
    ]


def view_name(org: str) -> str:
    """Return the name of the view of an org's fields; an org's name has no underscore."""
    name = f"fields_of_{org.replace('-', '_')}"
    # PostgreSQL cuts longer names: two orgs would share one.
    return name if len(name) <= MOST_BYTES else f"fields_of__{hashlib.sha256(org.encode()).hexdigest()[:40]}"


def _has_column(field: Field, now: datetime) -> bool:
    return field.left_at is None or now - field.left_at < KEPT_FOR


def _free_name(field: Field, taken: set[str]) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", (field.slug or field.name or "").lower()).strip("_")
    name = words if words[:1].isalpha() and words not in RESERVED else f"field_{words or field.external_id}"
    name = name[:MOST_LETTERS].rstrip("_")
    if name not in taken:
        return name
    suffix = "_" + re.sub(r"[^a-z0-9]+", "_", field.external_id.lower())
    return name[: MOST_LETTERS - len(suffix)] + suffix
