"""The canonical tables: few, designed, and the same whatever the source."""

from collections.abc import Mapping

from openfaith_sync.domain.canonical_follow_up import FOLLOW_UP_TABLES
from openfaith_sync.domain.canonical_gatherings import GATHERING_TABLES
from openfaith_sync.domain.canonical_giving import GIVING_TABLES
from openfaith_sync.domain.canonical_people import PEOPLE_TABLES
from openfaith_sync.domain.record_tables import RecordTable

GIFTS = "donations"
"""The canonical table of gifts."""

CANONICAL_TABLES: dict[str, RecordTable] = {
    table.name: table for table in (*PEOPLE_TABLES, *GATHERING_TABLES, *GIVING_TABLES, *FOLLOW_UP_TABLES)
}

REFERRED_TABLES: Mapping[str, str] = {
    "assignee_id": "people",
    "author_id": "people",
    "batch_id": "batches",
    "campus_id": "campuses",
    "check_in_id": "attendances",
    "default_assignee_id": "people",
    "designation_id": "designations",
    "donation_id": "donations",
    "event_id": "events",
    "field_id": "fields",
    "folder_id": "folders",
    "fund_id": "funds",
    "group_id": "groups",
    "group_type_id": "group_types",
    "household_id": "households",
    "joint_giver_id": "people",
    "list_id": "lists",
    "option_id": "field_options",
    "person_id": "people",
    "pledge_campaign_id": "pledge_campaigns",
    "primary_campus_id": "campuses",
    "primary_contact_id": "people",
    "refund_id": "refunds",
    "series_id": "event_series",
    "team_id": "teams",
    "team_position_id": "team_positions",
    "workflow_id": "workflows",
    "workflow_step_id": "workflow_steps",
}
"""The canonical table that each reference leads to."""

REFERRED_SOURCES = frozenset(
    {"batch_group_id", "headcount_type_id", "location_id", "payment_source_id", "recurring_donation_id"}
)
"""The references that lead to a table of their own source."""
