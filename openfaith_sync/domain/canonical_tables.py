"""The canonical tables as data: what the store creates and what a mapping may fill.

Every table has the common columns as well; ``rows`` in a mapped record follow
``CanonicalTable.columns`` exactly.
"""

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """The type of a canonical column."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    TIMESTAMP = "timestamp"
    REFERENCE = "reference"
    """An entity id of another record, in TypeID form."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a canonical table."""

    name: str
    type: ColumnType = ColumnType.TEXT
    private: bool = False
    """Personal: never shown in a preview, a log or an event."""


@dataclass(frozen=True, slots=True)
class CanonicalTable:
    """One canonical table: its own columns, then the mapped common ones."""

    name: str
    own: tuple[Column, ...]
    indexed: tuple[str, ...] = ()
    """References that readers join on."""
    has_merges: bool = False
    """Whether its records can become part of each other: the store then keeps ``merged_into_id``."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that a mapping may fill, in the order of ``Record.values``."""
        return self.own + MAPPED_COMMON


MAPPED_COMMON = (
    Column("status"),
    Column("created_at", ColumnType.TIMESTAMP),
    Column("updated_at", ColumnType.TIMESTAMP),
    Column("inactivated_at", ColumnType.TIMESTAMP),
)
"""Common columns that come from the source. The rest (``id``, ``org_id``, ``type``,
``tags``, ``custom_fields``, ``deleted_at``, ``synced_at``) is the store's."""


def _text(*names: str, private: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, private=private) for name in names)


def _reference(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, ColumnType.REFERENCE) for name in names)


_TABLES = (
    CanonicalTable(
        "people",
        (
            *_text("first_name", "middle_name", "last_name", "nickname", "name", private=True),
            Column("gender"),
            Column("birthdate", ColumnType.DATE, private=True),
            Column("anniversary", ColumnType.DATE, private=True),
            Column("membership"),
            Column("avatar", private=True),
            *_reference("primary_campus_id"),
        ),
        has_merges=True,
    ),
    CanonicalTable(
        "households",
        (
            Column("name", private=True),
            Column("member_count", ColumnType.INTEGER),
            *_reference("primary_contact_id"),
        ),
    ),
    CanonicalTable(
        "household_memberships",
        (*_reference("household_id", "person_id"), Column("role"), Column("pending", ColumnType.BOOLEAN)),
        indexed=("household_id", "person_id"),
    ),
    CanonicalTable(
        "addresses",
        (
            *_reference("person_id"),
            *_text("street_line_1", "street_line_2", "city", "state", "zip", private=True),
            *_text("country_code", "location"),
            Column("primary", ColumnType.BOOLEAN),
        ),
        indexed=("person_id",),
    ),
    CanonicalTable(
        "emails",
        (
            *_reference("person_id"),
            Column("address", private=True),
            Column("location"),
            Column("primary", ColumnType.BOOLEAN),
            Column("blocked", ColumnType.BOOLEAN),
        ),
        indexed=("person_id",),
    ),
    CanonicalTable(
        "phone_numbers",
        (
            *_reference("person_id"),
            *_text("number", "extension", private=True),
            *_text("country_code", "location"),
            Column("primary", ColumnType.BOOLEAN),
        ),
        indexed=("person_id",),
    ),
    CanonicalTable(
        "campuses",
        (
            *_text("name", "description", "street", "city", "state", "zip", "country_code"),
            Column("latitude", ColumnType.FLOAT),
            Column("longitude", ColumnType.FLOAT),
            *_text("url", "avatar"),
        ),
    ),
    CanonicalTable(
        "groups",
        (
            *_text("name", "description", "schedule", "location_type"),
            Column("memberships_count", ColumnType.INTEGER),
            Column("contact_email", private=True),
            *_text("url", "virtual_location_url"),
            *_reference("group_type_id"),
        ),
    ),
    CanonicalTable(
        "group_memberships",
        (*_reference("group_id", "person_id"), Column("role"), Column("joined_at", ColumnType.TIMESTAMP)),
        indexed=("group_id", "person_id"),
    ),
    CanonicalTable(
        "events",
        (
            *_reference("group_id"),
            *_text("name", "description"),
            Column("starts_at", ColumnType.TIMESTAMP),
            Column("ends_at", ColumnType.TIMESTAMP),
            Column("canceled", ColumnType.BOOLEAN),
            Column("canceled_at", ColumnType.TIMESTAMP),
            *_text("location_type", "virtual_location_url"),
        ),
        indexed=("group_id",),
    ),
)

CANONICAL_TABLES: dict[str, CanonicalTable] = {table.name: table for table in _TABLES}
