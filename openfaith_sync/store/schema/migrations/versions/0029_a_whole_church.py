"""The canonical tables of a whole church: custom fields, attendance, serving, giving and follow-up."""

from collections.abc import Iterator

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

ID = 'text COLLATE "C"'
MOMENT = "timestamp with time zone"
TYPES = {"id": ID, "moment": MOMENT}

TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "organizations": ("The church itself, as the source knows it.", ()),
    "group_types": ("Kinds of groups.", ()),
    "folders": ("What a church sorts things into: categories of notes and lists, groups of tags, tabs of fields.", ()),
    "tags": ("Labels that the source puts on groups, events and people.", ()),
    "fields": ("Custom fields: what a church keeps of people and households beside what all churches do.", ()),
    "field_options": ("What can be chosen in a custom field.", ("field_id",)),
    "field_values": (
        "Values of custom fields; one row for each box that is checked.",
        ("field_id", "person_id", "household_id"),
    ),
    "event_series": ("What takes place again and again: events of check-in, kinds of services.", ("campus_id",)),
    "attendances": (
        "Who came, or how many: check-ins, attendances of groups and headcounts.",
        ("event_id", "person_id", "check_in_id"),
    ),
    "teams": ("Teams of people who serve.", ("series_id",)),
    "team_positions": ("Positions in teams.", ("team_id",)),
    "team_members": ("Which people serve in which teams.", ("team_id", "person_id", "team_position_id")),
    "serving_assignments": (
        "Who was asked to serve at which event, and the answer.",
        ("event_id", "person_id", "team_id"),
    ),
    "funds": ("What people give to.", ()),
    "batches": ("Gifts that were entered together.", ()),
    "donations": ("Gifts of money.", ("person_id", "batch_id")),
    "designations": ("How gifts are split between funds.", ("donation_id", "fund_id")),
    "refunds": ("Gifts, or parts of them, that were given back.", ("donation_id",)),
    "designation_refunds": ("How refunds are split between the parts of their gifts.", ("refund_id", "designation_id")),
    "pledge_campaigns": ("What people promise to give to.", ("fund_id",)),
    "pledges": ("Promises to give.", ("person_id", "pledge_campaign_id")),
    "notes": ("What the church noted of people.", ("person_id",)),
    "lists": ("Lists of people, which the source computes by rules.", ()),
    "list_members": ("Who was on a list when it was last computed.", ("list_id", "person_id")),
    "workflows": ("Ways that people are followed up, step by step.", ()),
    "workflow_steps": ("Steps of workflows.", ("workflow_id",)),
    "workflow_cards": (
        "People on their way through workflows.",
        ("workflow_id", "person_id", "workflow_step_id", "assignee_id"),
    ),
}
"""The comment and the indexed references of each table."""

COLUMNS = """
organizations.name text The church's name.
organizations.time_zone text Its time zone, such as America/Chicago.
organizations.date_format text How it writes dates: a strftime format such as %m/%d/%Y.
organizations.country_code text ISO 3166-1 alpha-2, such as US.
organizations.url text Its website.
group_types.name text The name of the kind.
group_types.description text What the church says of it.
group_types.color text Its color.
group_types.position integer Its place among the others.
folders.name text The folder's name.
folders.description text What the church says of it.
folders.color text Its color.
folders.position integer Its place among the others.
folders.folder_id id The folder that it lies in.
tags.name text The tag.
tags.color text Its color.
tags.position integer Its place among the others.
tags.folder_id id The folder that it lies in.
fields.name text What people call it.
fields.slug text The source's short name for it.
fields.data_type text text, number, date, boolean, select, checkboxes or file; another word is read as text.
fields.config text How the source shows it.
fields.position integer Its place among the others.
fields.folder_id id The tab or section that it is shown in.
field_options.name text The option.
field_options.position integer Its place among the others.
field_options.field_id id The field.
field_values.person_id id Whose value it is.
field_values.household_id id The household whose value it is.
field_values.field_id id The field.
field_values.option_id id The option that was chosen, where the source names it.
field_values.value text The value as the source sent it; field_values_typed reads it by the field's type.
field_values.file_name text The name of a file; the file itself stays at the source.
field_values.file_type text Its media type.
field_values.file_bytes bigint Its size.
event_series.name text Its name, such as Sunday Service.
event_series.description text What the church says of it.
event_series.frequency text How often it takes place, in the source's words.
event_series.campus_id id The campus where it takes place.
event_series.folder_id id The folder that it lies in.
attendances.event_id id The event.
attendances.person_id id The person; null for a guest without a record, and for people who were only counted.
attendances.check_in_id id The check-in that it is one time of; the person may be named there only.
attendances.kind text regular, guest, volunteer or headcount.
attendances.attended boolean Whether the person came; false for one who was expected only.
attendances.count integer How many people were counted; null for one person.
attendances.arrived_at moment When the person came, where the source says it.
attendances.left_at moment When the person left.
attendances.location_id id The room, in the source's own table.
attendances.headcount_type_id id Who was counted, in the source's own table.
teams.name text The team's name.
teams.description text What the church says of it.
teams.series_id id The services that it serves in.
teams.folder_id id The folder that it lies in.
team_positions.name text What somebody in it does, such as Drums.
team_positions.position integer Its place among the others.
team_positions.team_id id The team.
team_members.team_id id The team.
team_members.person_id id The person.
team_members.team_position_id id The person's position.
team_members.role text member or leader.
serving_assignments.event_id id The event.
serving_assignments.person_id id The person.
serving_assignments.team_id id The team.
serving_assignments.position_name text What the person is asked to do.
serving_assignments.response text confirmed, declined or unconfirmed.
serving_assignments.decline_reason text Why the person declined.
serving_assignments.notes text What was said to the person, or by them.
serving_assignments.responded_at moment When the response last changed.
funds.name text The fund's name.
funds.description text What the church says of it.
funds.ledger_code text The church's account for it.
funds.color text Its color.
funds.is_default boolean Whether gifts go to it unless the giver says otherwise.
batches.name text The batch's name.
batches.state text in_progress, updating, committed: as the source says; gifts count once it is committed.
batches.total_cents bigint The sum of its gifts in cents, as the source states it.
batches.currency text Of the amounts: ISO 4217, such as USD.
batches.donations_count integer How many gifts it has, as the source counts them.
batches.committed_at moment When it was committed.
batches.batch_group_id id The group of batches, in the source's own table.
donations.person_id id The giver; null for an anonymous gift.
donations.batch_id id The batch.
donations.campus_id id The campus.
donations.amount_cents bigint The whole amount in cents, which is the sum of its designations.
donations.fee_cents bigint What the payment cost, in cents: zero or negative; net = amount + fee.
donations.currency text Of the amounts: ISO 4217, such as USD.
donations.received_at moment When it was received, as the church says: it decides the month.
donations.completed_at moment When the payment was completed, or its batch committed.
donations.payment_method text cash, check, card, ach: as the source says.
donations.payment_status text pending, succeeded or failed; only succeeded gifts count.
donations.refunded boolean Whether any of it was refunded; see the refunds.
donations.payment_source_id id Where it was given, in the source's own table.
donations.recurring_donation_id id The standing order that it came by, in the source's own table.
designations.donation_id id The gift.
designations.fund_id id The fund.
designations.amount_cents bigint The part of the gift for this fund, in cents.
designations.fee_cents bigint What the payment cost, in cents: zero or negative; net = amount + fee.
designations.currency text Of the amounts: ISO 4217, such as USD.
refunds.donation_id id The gift.
refunds.amount_cents bigint What was given back, in cents: negative.
refunds.fee_cents bigint What the payment cost, in cents: zero or negative; net = amount + fee.
refunds.currency text Of the amounts: ISO 4217, such as USD.
refunds.refunded_at moment When it was given back.
designation_refunds.refund_id id The refund.
designation_refunds.designation_id id The part of the gift.
designation_refunds.amount_cents bigint What was given back of this part, in cents: negative.
designation_refunds.fee_cents bigint What the payment cost, in cents: zero or negative; net = amount + fee.
designation_refunds.currency text Of the amounts: ISO 4217, such as USD.
pledge_campaigns.name text The campaign's name.
pledge_campaigns.description text What the church says of it.
pledge_campaigns.starts_at moment When it begins.
pledge_campaigns.ends_at moment When it ends.
pledge_campaigns.goal_cents bigint What the church hopes for, in cents.
pledge_campaigns.currency text Of the goal: ISO 4217, such as USD.
pledge_campaigns.fund_id id The fund that it collects for.
pledges.person_id id Who promised.
pledges.pledge_campaign_id id The campaign.
pledges.joint_giver_id id Who promised together with them.
pledges.amount_cents bigint What was promised, in cents.
pledges.donated_cents bigint What was given of it so far, in cents, as the source states it.
pledges.currency text Of the amounts: ISO 4217, such as USD.
notes.person_id id Whom it is about.
notes.author_id id Who wrote it.
notes.folder_id id Its category.
notes.body text What it says.
notes.noted_at moment The time that it is about.
lists.name text The list's name.
lists.description text What the church says of it.
lists.people_count integer How many people it has, as the source counts them.
lists.refreshed_at moment When the source last computed it.
lists.folder_id id Its category.
lists.campus_id id The campus that it is for.
list_members.list_id id The list.
list_members.person_id id The person.
workflows.name text The workflow's name.
workflows.description text What the church says of it.
workflows.folder_id id Its category.
workflows.campus_id id The campus that it is for.
workflow_steps.name text The step's name.
workflow_steps.position integer Its place among the others.
workflow_steps.workflow_id id The workflow.
workflow_steps.default_assignee_id id Who does it unless somebody else is named.
workflow_cards.workflow_id id The workflow.
workflow_cards.person_id id Who is followed up.
workflow_cards.workflow_step_id id The step that the person is at.
workflow_cards.assignee_id id Who follows up.
workflow_cards.stage text ready, snoozed, completed, removed: as the source says.
workflow_cards.moved_at moment When the person came to the step.
workflow_cards.snoozed_until moment When it is due again.
workflow_cards.completed_at moment When the last step was done.
workflow_cards.removed_at moment When the person was taken off the workflow.
"""
"""The table, name, type and comment of each column of its own, a line each."""

SENSITIVE = ("batches", "donations", "designations", "refunds", "designation_refunds", "pledges", "notes")

BEFORE = (
    ("id", f"{ID} NOT NULL", "TypeID, derived from the record's identity at its source."),
    ("org_id", f"{ID} NOT NULL", "The church; every statement is bound to one."),
    ("external_id", f"{ID} NOT NULL", "The source's id; unique within its entity only."),
    ("adapter", f"{ID} NOT NULL", "The source."),
    ("type", f"{ID} NOT NULL", "The adapter's entity that the record came as."),
)
AFTER = (
    ("status", "text NOT NULL DEFAULT 'active'", "active or inactive, as the source says."),
    ("tags", "jsonb NOT NULL DEFAULT '[]'", "Set by OpenFaith, never by a sync."),
    (
        "custom_fields",
        "jsonb NOT NULL DEFAULT '{}'",
        "What the source sent that has no column, as <adapter>_<attribute>.",
    ),
    ("created_at", MOMENT, "The source's."),
    ("updated_at", MOMENT, "The source's."),
    ("inactivated_at", MOMENT, "The source's."),
    ("deleted_at", MOMENT, "When we learnt that the source has it no more; null while it lives."),
    ("synced_at", f"{MOMENT} NOT NULL DEFAULT now()", "When this row last changed here."),
    ("source_version", MOMENT, "The source's version; an older one never overwrites."),
    ("content_hash", "bytea NOT NULL", "Of the stored values; equal means nothing to write."),
    ("is_loss", "boolean NOT NULL DEFAULT false", "Whether its tombstone counts toward the safety stop."),
)

EVENTS = """
ALTER TABLE openfaith.events
  ADD COLUMN series_id text COLLATE "C", ADD COLUMN kind text, ADD COLUMN head_count integer;
CREATE INDEX events_org_id_series_id_idx ON openfaith.events (org_id, series_id) WHERE series_id IS NOT NULL;
COMMENT ON TABLE openfaith.events IS 'Occasions at which people meet.'
"""
OF_EVENTS = (
    ("name", "The event's name."),
    ("series_id", "What it is one time of."),
    ("kind", "meeting (of a group), gathering (where people check in) or service (with a plan)."),
    ("head_count", "People who were counted without names, beside its attendances."),
)
# No manifest may show what these tables hold: they are hidden for all time, whatever fills them.
HIDE = """
INSERT INTO sync.hidden_columns (adapter, table_schema, table_name, column_name)
SELECT 'openfaith', 'openfaith', relname, attname
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE relnamespace = 'openfaith'::regnamespace AND relkind = 'r' AND relname IN ({tables})
"""


def own_columns(table: str) -> Iterator[tuple[str, str, str]]:
    for line in COLUMNS.strip().splitlines():
        column, kind, comment = line.split(" ", 2)
        of, _, name = column.partition(".")
        if of == table:
            yield name, TYPES.get(kind, kind), comment


def table_statements(table: str, comment: str, indexed: tuple[str, ...]) -> Iterator[str]:
    """Yield the statements that make a table with its comments, its indexes and its live view."""
    columns = (*BEFORE, *own_columns(table), *AFTER)
    lines = [f'"{name}" {kind}' for name, kind, _ in columns]
    lines.append(f"CONSTRAINT {table}_pkey PRIMARY KEY (org_id, external_id, type, adapter)")
    lines.append(f"CONSTRAINT {table}_status_check CHECK (status IN ('active', 'inactive'))")
    yield f"CREATE TABLE openfaith.{table} ({', '.join(lines)})"
    yield f"CREATE UNIQUE INDEX {table}_id_key ON openfaith.{table} (org_id, id) WHERE id IS NOT NULL"
    for name in indexed:
        yield f"CREATE INDEX {table}_org_id_{name}_idx ON openfaith.{table} (org_id, {name}) WHERE {name} IS NOT NULL"
    yield f"COMMENT ON TABLE openfaith.{table} IS {literal(comment)}"
    for name, _, said in columns:
        yield f'COMMENT ON COLUMN openfaith.{table}."{name}" IS {literal(said)}'
    yield f"SELECT sync.make_live_view('{table}')"


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def upgrade() -> None:
    made = [text for table, parts in TABLES.items() for text in table_statements(table, *parts)]
    made += [EVENTS, *(f"COMMENT ON COLUMN openfaith.events.{name} IS {literal(said)}" for name, said in OF_EVENTS)]
    # One round trip.
    op.execute(";\n".join([*made, "SELECT sync.make_live_view('events')"]))
    op.execute(HIDE.format(tables=", ".join(map(literal, SENSITIVE))))
