"""Canonical tables: people, how to reach them, and where they belong."""

from openfaith_sync.domain.canonical_columns import PERSONAL, PUBLIC, owner, reference, text, typed
from openfaith_sync.domain.record_tables import ColumnType, RecordTable

PEOPLE_TABLES = (
    RecordTable(
        "people",
        (
            *text(
                PERSONAL,
                first_name="The given name that is used in full.",
                middle_name="Further given names.",
                last_name="The family name.",
                nickname="The name that the person goes by.",
                name="The whole name, as the source composes it.",
            ),
            *text(PERSONAL, gender="male, female or null."),
            *typed(ColumnType.DATE, PERSONAL, birthdate="The day of birth.", anniversary="The wedding day."),
            *text(PERSONAL, membership="The kind of membership, in the church's own words."),
            *text(PERSONAL, avatar="The address of a picture."),
            *reference(primary_campus_id="The campus that the person belongs to."),
        ),
        has_merges=True,
        comment="People that a church knows.",
    ),
    RecordTable(
        "households",
        (
            *text(PERSONAL, name="The household's name."),
            *typed(ColumnType.INTEGER, PUBLIC, member_count="How many people it has, as the source counts them."),
            *reference(primary_contact_id="The person to speak to."),
        ),
        comment="Families and others who live together.",
    ),
    RecordTable(
        "household_memberships",
        (
            *owner(household_id="The household.", person_id="The person."),
            *text(PERSONAL, role="The person's role in the household."),
            *typed(ColumnType.BOOLEAN, PUBLIC, pending="Whether somebody has yet to confirm it."),
        ),
        indexed=("household_id", "person_id"),
        comment="Which people belong to which households.",
    ),
    RecordTable(
        "addresses",
        (
            *owner(person_id="Whose address it is."),
            *text(
                PERSONAL,
                street_line_1="Street and number.",
                street_line_2="Apartment, floor and the like.",
                city="The city.",
                state="The state or region.",
                zip="The postal code.",
            ),
            *text(PUBLIC, country_code="ISO 3166-1 alpha-2, such as US.", location="Home, work and the like."),
            *typed(ColumnType.BOOLEAN, PUBLIC, primary="Whether it is the first one to use."),
        ),
        indexed=("person_id",),
        comment="Postal addresses of people.",
    ),
    RecordTable(
        "emails",
        (
            *owner(person_id="Whose address it is."),
            *text(PERSONAL, address="The e-mail address."),
            *text(PUBLIC, location="Home, work and the like."),
            *typed(
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
            *owner(person_id="Whose number it is."),
            *text(
                PERSONAL,
                number="E.164 where the source gives enough of it, else as it came.",
                extension="What is dialled after the number.",
            ),
            *text(PUBLIC, country_code="ISO 3166-1 alpha-2, such as US.", location="Home, mobile and the like."),
            *typed(ColumnType.BOOLEAN, PUBLIC, primary="Whether it is the first one to use."),
        ),
        indexed=("person_id",),
        comment="Telephone numbers of people.",
    ),
    RecordTable(
        "campuses",
        (
            *text(
                PUBLIC,
                name="The campus's name.",
                description="What the church says of it.",
                street="Street and number.",
                city="The city.",
                state="The state or region.",
                zip="The postal code.",
                country_code="ISO 3166-1 alpha-2, such as US.",
            ),
            *typed(ColumnType.FLOAT, PUBLIC, latitude="Degrees north.", longitude="Degrees east."),
            *text(PUBLIC, url="Its website.", avatar="The address of a picture."),
        ),
        sensitivity=PUBLIC,
        comment="Places where a church meets.",
    ),
)
