"""A manifest makes its tables: what was applied is recorded, and views read custom fields safely."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")

# A view must not break on one row's value, so that each function returns null for what is no value of its type.
# Dates and times are immutable under a fixed DateStyle and time zone only; both are settings of the function.
FUNCTIONS = """
CREATE FUNCTION sync.json_text(value jsonb) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN jsonb_typeof(value) IN ('string', 'number') THEN value #>> '{}' END;

CREATE FUNCTION sync.json_boolean(value jsonb) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE lower(CASE WHEN jsonb_typeof(value) IN ('boolean', 'string') THEN value #>> '{}' END)
  WHEN 'true' THEN true WHEN '1' THEN true WHEN 'yes' THEN true
  WHEN 'false' THEN false WHEN '0' THEN false WHEN 'no' THEN false END;

CREATE FUNCTION sync.json_bigint(value jsonb) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN jsonb_typeof(value) IN ('number', 'string') AND value #>> '{}' ~ '^-?[0-9]{1,18}(\\.0+)?$'
  THEN trunc((value #>> '{}')::numeric)::bigint END;

CREATE FUNCTION sync.json_float(value jsonb) RETURNS double precision IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN jsonb_typeof(value) IN ('number', 'string') AND value #>> '{}' ~ '^-?[0-9]{1,300}(\\.[0-9]{1,300})?$'
  THEN (value #>> '{}')::double precision END;

CREATE FUNCTION sync.json_date(value jsonb) RETURNS date IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
SET datestyle = 'ISO, YMD' AS $$
BEGIN
  IF jsonb_typeof(value) <> 'string' OR value #>> '{}' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN
    RETURN NULL;
  END IF;
  RETURN (value #>> '{}')::date;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END
$$;

CREATE FUNCTION sync.json_timestamp(value jsonb) RETURNS timestamptz IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $$
BEGIN
  IF jsonb_typeof(value) <> 'string'
     OR value #>> '{}' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})$' THEN
    RETURN NULL;
  END IF;
  RETURN (value #>> '{}')::timestamptz;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END
$$;
"""


COMMENTS = {
    "people": (
        "People that a church knows.",
        {
            "first_name": "The given name that is used in full.",
            "middle_name": "Further given names.",
            "last_name": "The family name.",
            "nickname": "The name that the person goes by.",
            "name": "The whole name, as the source composes it.",
            "gender": "male, female or null.",
            "birthdate": "The day of birth.",
            "anniversary": "The wedding day.",
            "membership": "The kind of membership, in the church's own words.",
            "avatar": "The address of a picture.",
            "primary_campus_id": "The campus that the person belongs to.",
        },
    ),
    "households": (
        "Families and others who live together.",
        {
            "name": "The household's name.",
            "member_count": "How many people it has, as the source counts them.",
            "primary_contact_id": "The person to speak to.",
        },
    ),
    "household_memberships": (
        "Which people belong to which households.",
        {
            "household_id": "The household.",
            "person_id": "The person.",
            "role": "The person's role in the household.",
            "pending": "Whether somebody has yet to confirm it.",
        },
    ),
    "addresses": (
        "Postal addresses of people.",
        {
            "person_id": "Whose address it is.",
            "street_line_1": "Street and number.",
            "street_line_2": "Apartment, floor and the like.",
            "city": "The city.",
            "state": "The state or region.",
            "zip": "The postal code.",
            "country_code": "ISO 3166-1 alpha-2, such as US.",
            "location": "Home, work and the like.",
            "primary": "Whether it is the first one to use.",
        },
    ),
    "emails": (
        "E-mail addresses of people.",
        {
            "person_id": "Whose address it is.",
            "address": "The e-mail address.",
            "location": "Home, work and the like.",
            "primary": "Whether it is the first one to use.",
            "blocked": "Whether the source sends nothing to it.",
        },
    ),
    "phone_numbers": (
        "Telephone numbers of people.",
        {
            "person_id": "Whose number it is.",
            "number": "E.164 where the source gives enough of it, else as it came.",
            "extension": "What is dialled after the number.",
            "country_code": "ISO 3166-1 alpha-2, such as US.",
            "location": "Home, mobile and the like.",
            "primary": "Whether it is the first one to use.",
        },
    ),
    "campuses": (
        "Places where a church meets.",
        {
            "name": "The campus's name.",
            "description": "What the church says of it.",
            "street": "Street and number.",
            "city": "The city.",
            "state": "The state or region.",
            "zip": "The postal code.",
            "country_code": "ISO 3166-1 alpha-2, such as US.",
            "latitude": "Degrees north.",
            "longitude": "Degrees east.",
            "url": "Its website.",
            "avatar": "The address of a picture.",
        },
    ),
    "groups": (
        "Small groups, classes and teams.",
        {
            "name": "The group's name.",
            "description": "What the church says of it.",
            "schedule": "When it meets, in words.",
            "location_type": "physical or virtual.",
            "memberships_count": "How many members it has, as the source counts them.",
            "contact_email": "Where questions go.",
            "url": "Its public page.",
            "virtual_location_url": "Where it meets online.",
            "group_type_id": "The kind of group.",
        },
    ),
    "group_memberships": (
        "Which people belong to which groups.",
        {
            "group_id": "The group.",
            "person_id": "The person.",
            "role": "The person's role in the group.",
            "joined_at": "When the person joined.",
        },
    ),
    "events": (
        "Meetings of groups.",
        {
            "group_id": "The group that meets.",
            "name": "The meeting's name.",
            "description": "What the church says of it.",
            "starts_at": "When it begins.",
            "ends_at": "When it ends.",
            "canceled": "Whether it was called off.",
            "canceled_at": "When it was called off.",
            "location_type": "physical or virtual.",
            "virtual_location_url": "Where it is held online.",
        },
    ),
}


def upgrade() -> None:
    op.execute(";".join(comments()))
    op.create_table(
        "applied_manifests",
        sa.Column("adapter", ID, nullable=False, comment="The adapter; its tables lie in the schema of this name."),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="Of the manifest and of how tables are made."),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column(
            "applied_at", sa.DateTime(timezone=True), comment="When every table was there; null while some are not."
        ),
        sa.PrimaryKeyConstraint("adapter", "fingerprint", name="applied_manifests_pkey"),
        schema="sync",
        comment="The manifests whose tables were made here. A worker with any of them finds its tables.",
    )
    op.execute(FUNCTIONS)


def comments() -> Iterator[str]:
    """Yield a statement for each comment on a canonical table or one of its columns."""
    for table, (comment, columns) in COMMENTS.items():
        yield f"COMMENT ON TABLE openfaith.\"{table}\" IS '{quoted(comment)}'"
        for column, said in {**columns, "tags": "Set by OpenFaith, never by a sync."}.items():
            yield f'COMMENT ON COLUMN openfaith."{table}"."{column}" IS \'{quoted(said)}\''


def quoted(said: str) -> str:
    return said.replace("'", "''")
