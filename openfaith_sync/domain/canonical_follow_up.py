"""Canonical tables: what a church notes of its people, how it sorts them, and how it follows up."""

from openfaith_sync.domain.canonical_columns import PERSONAL, PUBLIC, SENSITIVE, owner, reference, text, typed
from openfaith_sync.domain.record_tables import ColumnType, RecordTable

FOLLOW_UP_TABLES = (
    RecordTable(
        "organizations",
        (
            *text(
                PUBLIC,
                name="The church's name.",
                time_zone="Its time zone, such as America/Chicago.",
                date_format="How it writes dates: a strftime format such as %m/%d/%Y.",
                country_code="ISO 3166-1 alpha-2, such as US.",
                url="Its website.",
            ),
        ),
        sensitivity=PUBLIC,
        comment="The church itself, as the source knows it.",
    ),
    RecordTable(
        "folders",
        (
            *text(PUBLIC, name="The folder's name.", description="What the church says of it.", color="Its color."),
            *typed(ColumnType.INTEGER, PUBLIC, position="Its place among the others."),
            *reference(folder_id="The folder that it lies in."),
        ),
        sensitivity=PUBLIC,
        comment="What a church sorts things into: categories of notes and lists, groups of tags, tabs of fields.",
    ),
    RecordTable(
        "tags",
        (
            *text(PUBLIC, name="The tag.", color="Its color."),
            *typed(ColumnType.INTEGER, PUBLIC, position="Its place among the others."),
            *reference(folder_id="The folder that it lies in."),
        ),
        sensitivity=PUBLIC,
        comment="Labels that the source puts on groups, events and people.",
    ),
    RecordTable(
        "fields",
        (
            *text(
                PUBLIC,
                name="What people call it.",
                slug="The source's short name for it.",
                data_type="text, number, date, boolean, select, checkboxes or file; another word is read as text.",
                config="How the source shows it.",
            ),
            *typed(ColumnType.INTEGER, PUBLIC, position="Its place among the others."),
            *reference(folder_id="The tab or section that it is shown in."),
        ),
        sensitivity=PUBLIC,
        comment="Custom fields: what a church keeps of people and households beside what all churches do.",
    ),
    RecordTable(
        "field_options",
        (
            *text(PUBLIC, name="The option."),
            *typed(ColumnType.INTEGER, PUBLIC, position="Its place among the others."),
            *reference(field_id="The field."),
        ),
        indexed=("field_id",),
        sensitivity=PUBLIC,
        comment="What can be chosen in a custom field.",
    ),
    RecordTable(
        "field_values",
        (
            *owner(person_id="Whose value it is.", household_id="The household whose value it is."),
            *reference(field_id="The field.", option_id="The option that was chosen, where the source names it."),
            *text(
                PERSONAL,
                value="The value as the source sent it; field_values_typed reads it by the field's type.",
                file_name="The name of a file; the file itself stays at the source.",
                file_type="Its media type.",
            ),
            *typed(ColumnType.BIGINT, PERSONAL, file_bytes="Its size."),
        ),
        indexed=("field_id", "person_id", "household_id"),
        comment="Values of custom fields; one row for each box that is checked.",
    ),
    RecordTable(
        "notes",
        (
            *owner(SENSITIVE, person_id="Whom it is about."),
            *reference(SENSITIVE, author_id="Who wrote it.", folder_id="Its category."),
            *text(SENSITIVE, body="What it says."),
            *typed(ColumnType.TIMESTAMP, SENSITIVE, noted_at="The time that it is about."),
        ),
        indexed=("person_id",),
        sensitivity=SENSITIVE,
        comment="What the church noted of people.",
    ),
    RecordTable(
        "lists",
        (
            *text(PERSONAL, name="The list's name.", description="What the church says of it."),
            *typed(ColumnType.INTEGER, PUBLIC, people_count="How many people it has, as the source counts them."),
            *typed(ColumnType.TIMESTAMP, PUBLIC, refreshed_at="When the source last computed it."),
            *reference(folder_id="Its category.", campus_id="The campus that it is for."),
        ),
        comment="Lists of people, which the source computes by rules.",
    ),
    RecordTable(
        "list_members",
        (*owner(list_id="The list.", person_id="The person."),),
        indexed=("list_id", "person_id"),
        comment="Who was on a list when it was last computed.",
    ),
    RecordTable(
        "workflows",
        (
            *text(PUBLIC, name="The workflow's name.", description="What the church says of it."),
            *reference(folder_id="Its category.", campus_id="The campus that it is for."),
        ),
        sensitivity=PUBLIC,
        comment="Ways that people are followed up, step by step.",
    ),
    RecordTable(
        "workflow_steps",
        (
            *text(PUBLIC, name="The step's name."),
            *typed(ColumnType.INTEGER, PUBLIC, position="Its place among the others."),
            *reference(workflow_id="The workflow.", default_assignee_id="Who does it unless somebody else is named."),
        ),
        indexed=("workflow_id",),
        sensitivity=PUBLIC,
        comment="Steps of workflows.",
    ),
    RecordTable(
        "workflow_cards",
        (
            *owner(workflow_id="The workflow.", person_id="Who is followed up."),
            *reference(workflow_step_id="The step that the person is at.", assignee_id="Who follows up."),
            *text(PERSONAL, stage="ready, snoozed, completed, removed: as the source says."),
            *typed(
                ColumnType.TIMESTAMP,
                PERSONAL,
                moved_at="When the person came to the step.",
                snoozed_until="When it is due again.",
                completed_at="When the last step was done.",
                removed_at="When the person was taken off the workflow.",
            ),
        ),
        indexed=("workflow_id", "person_id", "workflow_step_id", "assignee_id"),
        comment="People on their way through workflows.",
    ),
)
