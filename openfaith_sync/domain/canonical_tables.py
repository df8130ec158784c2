"""The canonical tables: few, designed, and the same whatever the source."""

from openfaith_sync.domain.record_tables import Column, ColumnType, RecordTable


def _text(*, private: bool = False, **described: str) -> tuple[Column, ...]:
    return tuple(Column(name, private=private, comment=said) for name, said in described.items())


def _typed(kind: ColumnType, *, private: bool = False, **described: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind, private, said) for name, said in described.items())


def _reference(**described: str) -> tuple[Column, ...]:
    return tuple(Column(name, ColumnType.REFERENCE, comment=said) for name, said in described.items())


_TABLES = (
    RecordTable(
        "people",
        (
            *_text(
                first_name="The given name that is used in full.",
                middle_name="Further given names.",
                last_name="The family name.",
                nickname="The name that the person goes by.",
                name="The whole name, as the source composes it.",
                private=True,
            ),
            *_text(gender="male, female or null."),
            *_typed(ColumnType.DATE, birthdate="The day of birth.", anniversary="The wedding day.", private=True),
            *_text(membership="The kind of membership, in the church's own words."),
            *_text(avatar="The address of a picture.", private=True),
            *_reference(primary_campus_id="The campus that the person belongs to."),
        ),
        has_merges=True,
        comment="People that a church knows.",
    ),
    RecordTable(
        "households",
        (
            *_text(name="The household's name.", private=True),
            *_typed(ColumnType.INTEGER, member_count="How many people it has, as the source counts them."),
            *_reference(primary_contact_id="The person to speak to."),
        ),
        comment="Families and others who live together.",
    ),
    RecordTable(
        "household_memberships",
        (
            *_reference(household_id="The household.", person_id="The person."),
            *_text(role="The person's role in the household."),
            *_typed(ColumnType.BOOLEAN, pending="Whether somebody has yet to confirm it."),
        ),
        indexed=("household_id", "person_id"),
        comment="Which people belong to which households.",
    ),
    RecordTable(
        "addresses",
        (
            *_reference(person_id="Whose address it is."),
            *_text(
                street_line_1="Street and number.",
                street_line_2="Apartment, floor and the like.",
                city="The city.",
                state="The state or region.",
                zip="The postal code.",
                private=True,
            ),
            *_text(country_code="ISO 3166-1 alpha-2, such as US.", location="Home, work and the like."),
            *_typed(ColumnType.BOOLEAN, primary="Whether it is the first one to use."),
        ),
        indexed=("person_id",),
        comment="Postal addresses of people.",
    ),
    RecordTable(
        "emails",
        (
            *_reference(person_id="Whose address it is."),
            *_text(address="The e-mail address.", private=True),
            *_text(location="Home, work and the like."),
            *_typed(
                ColumnType.BOOLEAN,
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
            *_reference(person_id="Whose number it is."),
            *_text(
                number="E.164 where the source gives enough of it, else as it came.",
                extension="What is dialled after the number.",
                private=True,
            ),
            *_text(country_code="ISO 3166-1 alpha-2, such as US.", location="Home, mobile and the like."),
            *_typed(ColumnType.BOOLEAN, primary="Whether it is the first one to use."),
        ),
        indexed=("person_id",),
        comment="Telephone numbers of people.",
    ),
    RecordTable(
        "campuses",
        (
            *_text(
                name="The campus's name.",
                description="What the church says of it.",
                street="Street and number.",
                city="The city.",
                state="The state or region.",
                zip="The postal code.",
                country_code="ISO 3166-1 alpha-2, such as US.",
            ),
            *_typed(ColumnType.FLOAT, latitude="Degrees north.", longitude="Degrees east."),
            *_text(url="Its website.", avatar="The address of a picture."),
        ),
        comment="Places where a church meets.",
    ),
    RecordTable(
        "groups",
        (
            *_text(
                name="The group's name.",
                description="What the church says of it.",
                schedule="When it meets, in words.",
                location_type="physical or virtual.",
            ),
            *_typed(ColumnType.INTEGER, memberships_count="How many members it has, as the source counts them."),
            *_text(contact_email="Where questions go.", private=True),
            *_text(url="Its public page.", virtual_location_url="Where it meets online."),
            *_reference(group_type_id="The kind of group."),
        ),
        comment="Small groups, classes and teams.",
    ),
    RecordTable(
        "group_memberships",
        (
            *_reference(group_id="The group.", person_id="The person."),
            *_text(role="The person's role in the group."),
            *_typed(ColumnType.TIMESTAMP, joined_at="When the person joined."),
        ),
        indexed=("group_id", "person_id"),
        comment="Which people belong to which groups.",
    ),
    RecordTable(
        "events",
        (
            *_reference(group_id="The group that meets."),
            *_text(name="The meeting's name.", description="What the church says of it."),
            *_typed(ColumnType.TIMESTAMP, starts_at="When it begins.", ends_at="When it ends."),
            *_typed(ColumnType.BOOLEAN, canceled="Whether it was called off."),
            *_typed(ColumnType.TIMESTAMP, canceled_at="When it was called off."),
            *_text(location_type="physical or virtual.", virtual_location_url="Where it is held online."),
        ),
        indexed=("group_id",),
        comment="Meetings of groups.",
    ),
)

CANONICAL_TABLES: dict[str, RecordTable] = {table.name: table for table in _TABLES}
