"""Canonical tables: groups, what they and the church hold, who came, and who serves."""

from openfaith_sync.domain.canonical_columns import PERSONAL, PUBLIC, owner, reference, text, typed
from openfaith_sync.domain.record_tables import ColumnType, RecordTable

GATHERING_TABLES = (
    RecordTable(
        "groups",
        (
            *text(
                PUBLIC,
                name="The group's name.",
                description="What the church says of it.",
                schedule="When it meets, in words.",
                location_type="physical or virtual.",
            ),
            *typed(ColumnType.INTEGER, PUBLIC, memberships_count="How many members it has, as the source counts them."),
            *text(PERSONAL, contact_email="Where questions go."),
            *text(PUBLIC, url="Its public page.", virtual_location_url="Where it meets online."),
            *reference(group_type_id="The kind of group."),
        ),
        sensitivity=PUBLIC,
        comment="Small groups, classes and teams.",
    ),
    RecordTable(
        "group_memberships",
        (
            *owner(group_id="The group.", person_id="The person."),
            *text(PERSONAL, role="The person's role in the group."),
            *typed(ColumnType.TIMESTAMP, PERSONAL, joined_at="When the person joined."),
        ),
        indexed=("group_id", "person_id"),
        comment="Which people belong to which groups.",
    ),
    RecordTable(
        "group_types",
        (
            *text(PUBLIC, name="The name of the kind.", description="What the church says of it.", color="Its color."),
            *typed(ColumnType.INTEGER, PUBLIC, position="Its place among the others."),
        ),
        sensitivity=PUBLIC,
        comment="Kinds of groups.",
    ),
    RecordTable(
        "event_series",
        (
            *text(
                PUBLIC,
                name="Its name, such as Sunday Service.",
                description="What the church says of it.",
                frequency="How often it takes place, in the source's words.",
            ),
            *reference(campus_id="The campus where it takes place.", folder_id="The folder that it lies in."),
        ),
        indexed=("campus_id",),
        sensitivity=PUBLIC,
        comment="What takes place again and again: events of check-in, kinds of services.",
    ),
    RecordTable(
        "events",
        (
            *owner(group_id="The group that meets."),
            *text(PUBLIC, name="The event's name.", description="What the church says of it."),
            *typed(ColumnType.TIMESTAMP, PUBLIC, starts_at="When it begins.", ends_at="When it ends."),
            *typed(ColumnType.BOOLEAN, PUBLIC, canceled="Whether it was called off."),
            *typed(ColumnType.TIMESTAMP, PUBLIC, canceled_at="When it was called off."),
            *text(PUBLIC, location_type="physical or virtual.", virtual_location_url="Where it is held online."),
            *reference(series_id="What it is one time of."),
            *text(PUBLIC, kind="meeting (of a group), gathering (where people check in) or service (with a plan)."),
            *typed(
                ColumnType.INTEGER, PUBLIC, head_count="People who were counted without names, beside its attendances."
            ),
        ),
        indexed=("group_id", "series_id"),
        sensitivity=PUBLIC,
        comment="Occasions at which people meet.",
    ),
    RecordTable(
        "attendances",
        (
            *owner(
                event_id="The event.",
                person_id="The person; null for a guest without a record, and for people who were only counted.",
                check_in_id="The check-in that it is one time of; the person may be named there only.",
            ),
            *text(PERSONAL, kind="regular, guest, volunteer or headcount."),
            *typed(
                ColumnType.BOOLEAN, PERSONAL, attended="Whether the person came; false for one who was expected only."
            ),
            *typed(ColumnType.INTEGER, PERSONAL, count="How many people were counted; null for one person."),
            *typed(
                ColumnType.TIMESTAMP,
                PERSONAL,
                arrived_at="When the person came, where the source says it.",
                left_at="When the person left.",
            ),
            *reference(
                location_id="The room, in the source's own table.",
                headcount_type_id="Who was counted, in the source's own table.",
            ),
        ),
        indexed=("event_id", "person_id", "check_in_id"),
        comment="Who came, or how many: check-ins, attendances of groups and headcounts.",
    ),
    RecordTable(
        "teams",
        (
            *text(PUBLIC, name="The team's name.", description="What the church says of it."),
            *reference(series_id="The services that it serves in.", folder_id="The folder that it lies in."),
        ),
        indexed=("series_id",),
        sensitivity=PUBLIC,
        comment="Teams of people who serve.",
    ),
    RecordTable(
        "team_positions",
        (
            *text(PUBLIC, name="What somebody in it does, such as Drums."),
            *typed(ColumnType.INTEGER, PUBLIC, position="Its place among the others."),
            *reference(team_id="The team."),
        ),
        indexed=("team_id",),
        sensitivity=PUBLIC,
        comment="Positions in teams.",
    ),
    RecordTable(
        "team_members",
        (
            *owner(team_id="The team.", person_id="The person."),
            *reference(team_position_id="The person's position."),
            *text(PERSONAL, role="member or leader."),
        ),
        indexed=("team_id", "person_id", "team_position_id"),
        comment="Which people serve in which teams.",
    ),
    RecordTable(
        "serving_assignments",
        (
            *owner(event_id="The event.", person_id="The person."),
            *reference(team_id="The team."),
            *text(
                PERSONAL,
                position_name="What the person is asked to do.",
                response="confirmed, declined or unconfirmed.",
                decline_reason="Why the person declined.",
                notes="What was said to the person, or by them.",
            ),
            *typed(ColumnType.TIMESTAMP, PERSONAL, responded_at="When the response last changed."),
        ),
        indexed=("event_id", "person_id", "team_id"),
        comment="Who was asked to serve at which event, and the answer.",
    ),
)
