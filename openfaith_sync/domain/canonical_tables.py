"""The canonical tables: few, designed, and the same whatever the source."""

from collections.abc import Mapping

from openfaith_sync.domain.record_tables import Column, ColumnType, RecordTable
from openfaith_sync.domain.sensitivity import Sensitivity

PUBLIC, PERSONAL = Sensitivity.PUBLIC, Sensitivity.PERSONAL


def _text(sensitivity: Sensitivity, **described: str) -> tuple[Column, ...]:
    return _typed(ColumnType.TEXT, sensitivity, **described)


def _typed(kind: ColumnType, sensitivity: Sensitivity, **described: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind, sensitivity, comment=said) for name, said in described.items())


def _owner(**described: str) -> tuple[Column, ...]:
    return tuple(
        Column(name, ColumnType.REFERENCE, PUBLIC, is_owner=True, comment=said) for name, said in described.items()
    )


def _reference(**described: str) -> tuple[Column, ...]:
    return _typed(ColumnType.REFERENCE, PUBLIC, **described)


_TABLES = (
    RecordTable(
        "people",
        (
            *_text(
                PERSONAL,
                first_name="The given name that is used in full.",
                middle_name="Further given names.",
                last_name="The family name.",
                nickname="The name that the person goes by.",
                name="The whole name, as the source composes it.",
            ),
            *_text(PERSONAL, gender="male, female or null."),
            *_typed(ColumnType.DATE, PERSONAL, birthdate="The day of birth.", anniversary="The wedding day."),
            *_text(PERSONAL, membership="The kind of membership, in the church's own words."),
            *_text(PERSONAL, avatar="The address of a picture."),
            *_reference(primary_campus_id="The campus that the person belongs to."),
        ),
        has_merges=True,
        comment="People that a church knows.",
    ),
    RecordTable(
        "households",
        (
            *_text(PERSONAL, name="The household's name."),
            *_typed(ColumnType.INTEGER, PUBLIC, member_count="How many people it has, as the source counts them."),
            *_reference(primary_contact_id="The person to speak to."),
        ),
        comment="Families and others who live together.",
    ),
    RecordTable(
        "household_memberships",
        (
            *_owner(household_id="The household.", person_id="The person."),
            *_text(PERSONAL, role="The person's role in the household."),
            *_typed(ColumnType.BOOLEAN, PUBLIC, pending="Whether somebody has yet to confirm it."),
        ),
        indexed=("household_id", "person_id"),
        comment="Which people belong to which households.",
    ),
    RecordTable(
        "addresses",
        (
            *_owner(person_id="Whose address it is."),
            *_text(
                PERSONAL,
                street_line_1="Street and number.",
                street_line_2="Apartment, floor and the like.",
                city="The city.",
                state="The state or region.",
                zip="The postal code.",
            ),
            *_text(PUBLIC, country_code="ISO 3166-1 alpha-2, such as US.", location="Home, work and the like."),
            *_typed(ColumnType.BOOLEAN, PUBLIC, primary="Whether it is the first one to use."),
        ),
        indexed=("person_id",),
        comment="Postal addresses of people.",
    ),
    RecordTable(
        "emails",
        (
            *_owner(person_id="Whose address it is."),
            *_text(PERSONAL, address="The e-mail address."),
            *_text(PUBLIC, location="Home, work and the like."),
            *_typed(
                ColumnType.BOOLEAN,
                PUBLIC,
                primary="Whether it is the first one to use.",
                blocked="Whether the source sends nothing to it.",
            ),
        ),
        indexed=("person_id",),
        comment="E-mail addresses of people.",
    ),
    RecordTable(
        "phone_numbers",
        (
            *_owner(person_id="Whose number it is."),
            *_text(
                PERSONAL,
                number="E.164 where the source gives enough of it, else as it came.",
                extension="What is dialled after the number.",
            ),
            *_text(PUBLIC, country_code="ISO 3166-1 alpha-2, such as US.", location="Home, mobile and the like."),
            *_typed(ColumnType.BOOLEAN, PUBLIC, primary="Whether it is the first one to use."),
        ),
        indexed=("person_id",),
        comment="Telephone numbers of people.",
    ),
    RecordTable(
        "campuses",
        (
            *_text(
                PUBLIC,
                name="The campus's name.",
                description="What the church says of it.",
                street="Street and number.",
                city="The city.",
                state="The state or region.",
                zip="The postal code.",
                country_code="ISO 3166-1 alpha-2, such as US.",
            ),
            *_typed(ColumnType.FLOAT, PUBLIC, latitude="Degrees north.", longitude="Degrees east."),
            *_text(PUBLIC, url="Its website.", avatar="The address of a picture."),
        ),
        sensitivity=PUBLIC,
        comment="Places where a church meets.",
    ),
    RecordTable(
        "groups",
        (
            *_text(
                PUBLIC,
                name="The group's name.",
                description="What the church says of it.",
                schedule="When it meets, in words.",
                location_type="physical or virtual.",
            ),
            *_typed(
                ColumnType.INTEGER, PUBLIC, memberships_count="How many members it has, as the source counts them."
            ),
            *_text(PERSONAL, contact_email="Where questions go."),
            *_text(PUBLIC, url="Its public page.", virtual_location_url="Where it meets online."),
            *_reference(group_type_id="The kind of group."),
        ),
        sensitivity=PUBLIC,
        comment="Small groups, classes and teams.",
    ),
    RecordTable(
        "group_memberships",
        (
            *_owner(group_id="The group.", person_id="The person."),
            *_text(PERSONAL, role="The person's role in the group."),
            *_typed(ColumnType.TIMESTAMP, PERSONAL, joined_at="When the person joined."),
        ),
        indexed=("group_id", "person_id"),
        comment="Which people belong to which groups.",
    ),
    RecordTable(
        "events",
        (
            *_owner(group_id="The group that meets."),
            *_text(PUBLIC, name="The meeting's name.", description="What the church says of it."),
            *_typed(ColumnType.TIMESTAMP, PUBLIC, starts_at="When it begins.", ends_at="When it ends."),
            *_typed(ColumnType.BOOLEAN, PUBLIC, canceled="Whether it was called off."),
            *_typed(ColumnType.TIMESTAMP, PUBLIC, canceled_at="When it was called off."),
            *_text(PUBLIC, location_type="physical or virtual.", virtual_location_url="Where it is held online."),
        ),
        indexed=("group_id",),
        sensitivity=PUBLIC,
        comment="Meetings of groups.",
    ),
)

CANONICAL_TABLES: dict[str, RecordTable] = {table.name: table for table in _TABLES}

REFERRED_TABLES: Mapping[str, str] = {
    "primary_campus_id": "campuses",
    "primary_contact_id": "people",
    "household_id": "households",
    "person_id": "people",
    "group_id": "groups",
}
"""The canonical table that each reference leads to; ``group_type_id`` leads to none yet."""
