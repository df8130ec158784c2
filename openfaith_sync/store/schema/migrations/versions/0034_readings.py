"""Readings of canonical tables: values of custom fields by type and by person, and attendance as the app counts it."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# A view must not break on one value, so that each function returns null for what it cannot read.
FUNCTIONS = """
CREATE FUNCTION sync.read_number(value text) RETURNS numeric IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN length(value) <= 60 AND value ~ '^\\s*[-+]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\\.[0-9]+)?\\s*$'
  THEN replace(value, ',', '')::numeric END;

CREATE FUNCTION sync.read_boolean(value text) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE lower(btrim(value)) WHEN 'true' THEN true WHEN '1' THEN true WHEN 'yes' THEN true
  WHEN 'false' THEN false WHEN '0' THEN false WHEN 'no' THEN false END;

CREATE FUNCTION sync.make_day(year integer, month integer, day integer) RETURNS date IMMUTABLE PARALLEL SAFE
LANGUAGE sql
RETURN CASE WHEN year BETWEEN 1 AND 9998 AND month BETWEEN 1 AND 12 THEN
  CASE WHEN day BETWEEN 1 AND extract(day FROM make_date(year, month, 1) + interval '1 month - 1 day')
    THEN make_date(year, month, day) END END;

CREATE FUNCTION sync.read_date(value text, format text) RETURNS date IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE
  WHEN value ~ '^\\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$' THEN
    sync.make_day(substr(btrim(value), 1, 4)::int, substr(btrim(value), 6, 2)::int, substr(btrim(value), 9, 2)::int)
  WHEN value ~ '^\\s*[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}\\s*$' THEN
    CASE
      WHEN format ~* 'm.*d.*y' THEN
        sync.make_day((regexp_match(value, '([0-9]{4})\\s*$'))[1]::int, (regexp_match(value, '([0-9]{1,2})'))[1]::int,
                      (regexp_match(value, '[-/.]([0-9]{1,2})[-/.]'))[1]::int)
      WHEN format ~* 'd.*m.*y' THEN
        sync.make_day((regexp_match(value, '([0-9]{4})\\s*$'))[1]::int,
                      (regexp_match(value, '[-/.]([0-9]{1,2})[-/.]'))[1]::int,
                      (regexp_match(value, '([0-9]{1,2})'))[1]::int)
    END
END;

COMMENT ON FUNCTION sync.read_number(text) IS 'Reads a number as people write it; null if it is none.';
COMMENT ON FUNCTION sync.read_boolean(text) IS 'Reads true or false as sources write them; null if it is neither.';
COMMENT ON FUNCTION sync.make_day(integer, integer, integer) IS 'Returns a date; null if there is no such day.';
COMMENT ON FUNCTION sync.read_date(text, text) IS
  'Reads a date: ISO 8601, or day and month in the order of a strftime format; null if it is none.';
"""

COLUMNS = """
CREATE TABLE sync.field_columns (
  org_id text COLLATE "C" NOT NULL,
  field_id text COLLATE "C" NOT NULL,
  column_name text COLLATE "C" NOT NULL,
  place integer NOT NULL,
  named_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT field_columns_pkey PRIMARY KEY (org_id, field_id),
  CONSTRAINT field_columns_name_key UNIQUE (org_id, column_name)
);
COMMENT ON TABLE sync.field_columns IS
  'The column of each custom field of an org, which keeps its name when the field is renamed.';
COMMENT ON COLUMN sync.field_columns.org_id IS 'The church; every statement is bound to one.';
COMMENT ON COLUMN sync.field_columns.field_id IS 'The field, in openfaith.fields.';
COMMENT ON COLUMN sync.field_columns.column_name IS 'Its column in the org''s view and in data frames.';
COMMENT ON COLUMN sync.field_columns.place IS 'Its place among the columns; later ones follow.';
COMMENT ON COLUMN sync.field_columns.named_at IS 'When it was first named.';
"""

# The newest value of a field that holds one is current: a source may keep several, and its people see the newest.
TYPED = """
CREATE VIEW openfaith_live.field_values_typed WITH (security_invoker = true) AS
SELECT held.id, held.org_id, held.adapter, held.field_id, held.person_id, held.household_id, held.name AS field_name,
  held.data_type, held.value,
  CASE WHEN held.data_type = 'file' THEN held.file_name ELSE held.value END AS value_text,
  CASE WHEN held.data_type = 'number' THEN sync.read_number(held.value)::double precision END AS value_number,
  CASE WHEN held.data_type = 'date' THEN held.day END AS value_date,
  CASE WHEN held.data_type = 'boolean' THEN sync.read_boolean(held.value) END AS value_boolean,
  CASE held.data_type WHEN 'number' THEN sync.read_number(held.value) IS NOT NULL
    WHEN 'date' THEN held.day IS NOT NULL WHEN 'boolean' THEN sync.read_boolean(held.value) IS NOT NULL
    ELSE true END AS is_read,
  COALESCE(held.option_id, (
    SELECT min(choice.id) FROM openfaith.field_options choice
    WHERE choice.org_id = held.org_id AND choice.field_id = held.field_id AND choice.name = held.value
      AND choice.deleted_at IS NULL)) AS option_id,
  held.data_type = 'checkboxes' OR held.place = 1 AS is_current,
  held.external_id, held.created_at, held.updated_at
FROM (
  SELECT own.id, own.org_id, own.adapter, own.external_id, own.field_id, own.person_id, own.household_id,
    own.option_id, own.value, own.file_name, own.created_at, own.updated_at, of.name,
    COALESCE(of.data_type, 'text') AS data_type,
    CASE WHEN of.data_type = 'date' THEN sync.read_date(own.value, (
      SELECT min(church.date_format) FROM openfaith.organizations church
      WHERE church.org_id = own.org_id AND church.adapter = own.adapter AND church.deleted_at IS NULL)) END AS day,
    row_number() OVER (
      PARTITION BY own.org_id, own.field_id, own.person_id, own.household_id
      ORDER BY own.updated_at DESC NULLS LAST, length(own.external_id) DESC, own.external_id DESC) AS place
  FROM openfaith.field_values own
  LEFT JOIN openfaith.fields of ON of.org_id = own.org_id AND of.id = own.field_id
  WHERE own.deleted_at IS NULL AND of.deleted_at IS NULL) held
"""
PEOPLE = """
CREATE VIEW openfaith_live.person_fields WITH (security_invoker = true) AS
WITH keyed AS (
  SELECT of.org_id, of.id, CASE WHEN count(*) OVER (PARTITION BY of.org_id, of.key) = 1 THEN of.key
    ELSE of.key || '_' || of.external_id END AS key
  FROM (SELECT org_id, id, external_id, COALESCE(NULLIF(slug, ''), NULLIF(name, ''), id) AS key
        FROM openfaith.fields WHERE deleted_at IS NULL AND status = 'active') of
), of_field AS (
  SELECT held.org_id, held.person_id, keyed.key,
    CASE WHEN held.data_type = 'checkboxes' THEN
      jsonb_agg(held.value_text ORDER BY choice.position, length(held.external_id), held.external_id)
    ELSE (array_agg(CASE
      WHEN held.value_number IS NOT NULL THEN to_jsonb(held.value_number)
      WHEN held.value_date IS NOT NULL THEN to_jsonb(held.value_date)
      WHEN held.value_boolean IS NOT NULL THEN to_jsonb(held.value_boolean)
      ELSE to_jsonb(held.value_text) END))[1] END AS value
  FROM openfaith_live.field_values_typed held
  JOIN keyed ON keyed.org_id = held.org_id AND keyed.id = held.field_id
  LEFT JOIN openfaith.field_options choice ON choice.org_id = held.org_id AND choice.id = held.option_id
  WHERE held.is_current AND held.person_id IS NOT NULL
  GROUP BY held.org_id, held.person_id, keyed.key, held.data_type
)
SELECT org_id, person_id, jsonb_object_agg(key, value) AS fields FROM of_field GROUP BY org_id, person_id
"""
# One person is one, however often checked in at one event, and has one kind: who serves is counted as a volunteer.
COUNTS = """
CREATE VIEW openfaith_live.attendance_counts WITH (security_invoker = true) AS
WITH came AS (
  SELECT own.org_id, own.event_id, COALESCE(own.kind, 'regular') AS kind, own.count,
    COALESCE(own.person_id, visit.person_id, own.check_in_id, own.id) AS who
  FROM openfaith.attendances own
  LEFT JOIN openfaith.attendances visit ON visit.org_id = own.org_id AND visit.id = own.check_in_id
  WHERE own.deleted_at IS NULL AND visit.deleted_at IS NULL AND own.event_id IS NOT NULL AND own.attended IS NOT FALSE
), people AS (
  SELECT org_id, event_id,
    (array_agg(kind ORDER BY array_position(ARRAY['volunteer', 'regular', 'guest'], kind), kind))[1] AS kind
  FROM came WHERE count IS NULL GROUP BY org_id, event_id, who
), counted AS (
  SELECT org_id, event_id, kind, count(*) AS people, 0::bigint AS headcount FROM people
  GROUP BY org_id, event_id, kind
  UNION ALL
  SELECT org_id, event_id, kind, 0, count FROM came WHERE count IS NOT NULL
  UNION ALL
  SELECT org_id, id, 'headcount', 0, head_count FROM openfaith.events
  WHERE head_count > 0 AND deleted_at IS NULL
)
SELECT org_id, event_id, kind, sum(people)::bigint AS people, sum(headcount)::bigint AS headcount
FROM counted GROUP BY org_id, event_id, kind
"""

COMMENTS = {
    "field_values_typed": (
        "Values of custom fields, each read by the type of its field. Living rows only.",
        {
            "id": "TypeID, derived from the record's identity at its source.",
            "org_id": "The church; every statement is bound to one.",
            "adapter": "The source.",
            "field_id": "The field.",
            "person_id": "Whose value it is.",
            "household_id": "The household whose value it is.",
            "field_name": "What people call the field.",
            "data_type": "The field's type; text if the field is not known yet.",
            "value": "The value as the source sent it.",
            "value_text": "The value as text; of a file, its name.",
            "value_number": "The number, in a field of numbers.",
            "value_date": "The day, in a field of dates: ISO 8601, or as the church writes dates.",
            "value_boolean": "True or false, in a field of these.",
            "is_read": "Whether it could be read as its field's type; if not, it is text.",
            "option_id": "The option that was chosen: as the source names it, else the one with this text.",
            "is_current": "Whether the source shows it; of several values of a field that holds one, the newest.",
            "external_id": "The source's id; unique within its entity only.",
            "created_at": "The source's.",
            "updated_at": "The source's.",
        },
    ),
    "person_fields": (
        "The current values of each person's custom fields, in one JSON object. Living rows only.",
        {
            "org_id": "The church; every statement is bound to one.",
            "person_id": "The person.",
            "fields": "By the fields' short names; a list where several boxes can be checked.",
        },
    ),
    "attendance_counts": (
        "How many came to each event, as the source's app shows it. Living rows only.",
        {
            "org_id": "The church; every statement is bound to one.",
            "event_id": "The event.",
            "kind": "regular, guest, volunteer, or headcount for people who were only counted.",
            "people": "People who came; one who checked in twice counts once, and a volunteer as nothing else.",
            "headcount": "People who were counted without names.",
        },
    ),
}


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def upgrade() -> None:
    made = [FUNCTIONS + COLUMNS, TYPED, PEOPLE, COUNTS]
    for view, (comment, columns) in COMMENTS.items():
        made.append(f"COMMENT ON VIEW openfaith_live.{view} IS {literal(comment)}")
        made += [f"COMMENT ON COLUMN openfaith_live.{view}.{name} IS {literal(c)}" for name, c in columns.items()]
    # One round trip.
    op.get_bind().exec_driver_sql(";\n".join(made))
