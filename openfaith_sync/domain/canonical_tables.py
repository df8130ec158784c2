"""The canonical tables: few, designed, and the same whatever the source."""

from openfaith_sync.domain.record_tables import Column, ColumnType, RecordTable


def _text(*names: str, private: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, private=private) for name in names)


def _reference(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, ColumnType.REFERENCE) for name in names)


_TABLES = (
    RecordTable(
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
    RecordTable(
        "households",
        (
            Column("name", private=True),
            Column("member_count", ColumnType.INTEGER),
            *_reference("primary_contact_id"),
        ),
    ),
    RecordTable(
        "household_memberships",
        (*_reference("household_id", "person_id"), Column("role"), Column("pending", ColumnType.BOOLEAN)),
        indexed=("household_id", "person_id"),
    ),
    RecordTable(
        "addresses",
        (
            *_reference("person_id"),
            *_text("street_line_1", "street_line_2", "city", "state", "zip", private=True),
            *_text("country_code", "location"),
            Column("primary", ColumnType.BOOLEAN),
        ),
        indexed=("person_id",),
    ),
    RecordTable(
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
    RecordTable(
        "phone_numbers",
        (
            *_reference("person_id"),
            *_text("number", "extension", private=True),
            *_text("country_code", "location"),
            Column("primary", ColumnType.BOOLEAN),
        ),
        indexed=("person_id",),
    ),
    RecordTable(
        "campuses",
        (
            *_text("name", "description", "street", "city", "state", "zip", "country_code"),
            Column("latitude", ColumnType.FLOAT),
            Column("longitude", ColumnType.FLOAT),
            *_text("url", "avatar"),
        ),
    ),
    RecordTable(
        "groups",
        (
            *_text("name", "description", "schedule", "location_type"),
            Column("memberships_count", ColumnType.INTEGER),
            Column("contact_email", private=True),
            *_text("url", "virtual_location_url"),
            *_reference("group_type_id"),
        ),
    ),
    RecordTable(
        "group_memberships",
        (*_reference("group_id", "person_id"), Column("role"), Column("joined_at", ColumnType.TIMESTAMP)),
        indexed=("group_id", "person_id"),
    ),
    RecordTable(
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

CANONICAL_TABLES: dict[str, RecordTable] = {table.name: table for table in _TABLES}
