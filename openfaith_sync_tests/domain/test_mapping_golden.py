"""Every attribute of every entity: what comes in, which column it fills, what is kept beside it."""

from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import pytest

from openfaith_sync_tests.domain.church import ENTITIES, columns_of, custom_of, entity, manifest, map_one

MOMENT = datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)
MOMENT_TEXT = "2021-03-04T05:06:07Z"


class Golden(NamedTuple):
    entity: str
    attribute: str
    raw: Any
    column: str | None = None
    value: object = None
    is_kept: bool = False
    """Whether the custom fields hold what came although a column does too."""


def same(entity_name: str, **attributes: tuple[str, Any]) -> list[Golden]:
    """Attributes whose column holds just what came."""
    return [Golden(entity_name, name, raw, column, raw) for name, (column, raw) in attributes.items()]


def custom(entity_name: str, **attributes: Any) -> list[Golden]:
    """Attributes without a column."""
    return [Golden(entity_name, name, raw) for name, raw in attributes.items()]


def moments(entity_name: str, **attributes: str) -> list[Golden]:
    return [Golden(entity_name, name, MOMENT_TEXT, column, MOMENT) for name, column in attributes.items()]


GOLDEN = [
    *moments("campus", created_at="created_at", updated_at="updated_at"),
    *same(
        "campus",
        avatar_url=("avatar", "https://avatars.example.org/c.png"),
        city=("city", "Ulm"),
        country=("country_code", "DE"),
        description=("description", "By the river"),
        latitude=("latitude", 48.4),
        longitude=("longitude", 9.98),
        name=("name", "Riverside"),
        state=("state", ""),
        street=("street", "Fischergasse 1"),
        website=("url", "https://example.org"),
        zip=("zip", "89073"),
    ),
    Golden("campus", "country", "Germany", "country_code", "DE", is_kept=True),
    Golden("campus", "country", "usa", "country_code", "US", is_kept=True),
    Golden("campus", "country", "Atlantis", "country_code", None, is_kept=True),
    Golden("campus", "latitude", "48.40", "latitude", 48.4, is_kept=True),
    Golden("campus", "latitude", "", "latitude", None, is_kept=True),
    Golden("campus", "longitude", "-9.98", "longitude", -9.98, is_kept=True),
    *custom(
        "campus",
        church_center_enabled=True,
        contact_email_address="riverside@example.org",
        date_format=2,
        geolocation_set_manually=False,
        phone_number="5555550123",
        time_zone="Europe/Berlin",
        time_zone_raw="Berlin",
        twenty_four_hour_time=None,
    ),
    *moments("household", created_at="created_at", updated_at="updated_at"),
    *same("household", member_count=("member_count", 3), name=("name", "Miller Household")),
    *custom(
        "household",
        avatar="https://avatars.example.org/h.png",
        primary_contact_id="123",
        primary_contact_name="Ann Miller",
    ),
    *same("household_membership", household_role=("role", "child"), pending=("pending", False)),
    *custom("household_membership", person_name="Ann Miller"),
    *moments("person", created_at="created_at", updated_at="updated_at"),
    Golden("person", "created_at", "2021-03-04T07:06:07+02:00", "created_at", MOMENT, is_kept=True),
    Golden("person", "created_at", "2021-03-04T05:06:07.000Z", "created_at", MOMENT, is_kept=True),
    *same(
        "person",
        avatar=("avatar", "https://avatars.example.org/p.png"),
        first_name=("first_name", "Zoë"),
        gender=("gender", "female"),
        last_name=("last_name", "O'Brien"),
        membership=("membership", "Member"),
        middle_name=("middle_name", ""),
        name=("name", "Zoë O'Brien"),
        nickname=("nickname", "Zo"),
        status=("status", "inactive"),
    ),
    Golden("person", "anniversary", "2001-09-08", "anniversary", date(2001, 9, 8)),
    Golden("person", "birthdate", "1885-01-01", "birthdate", date(1885, 1, 1)),
    Golden("person", "birthdate", "18850101", "birthdate", date(1885, 1, 1), is_kept=True),
    Golden("person", "gender", "Male", "gender", "male", is_kept=True),
    Golden("person", "gender", "F", "gender", "female", is_kept=True),
    Golden("person", "gender", "unlisted", "gender", None, is_kept=True),
    Golden("person", "status", "active", "status", "active"),
    Golden("person", "status", "pending", "status", "active", is_kept=True),
    Golden("person", "status", None, "status", "active", is_kept=True),
    *custom(
        "person",
        accounting_administrator=False,
        can_create_forms=True,
        can_email_lists=True,
        child=False,
        demographic_avatar_url="https://avatars.example.org/d.png",
        directory_shared_info={"email": True},
        directory_status="no_access",
        given_name=None,
        grade=-1,
        graduation_year=2016,
        login_identifier="zoe@example.org",
        medical_notes="Nuts",
        mfa_configured=True,
        passed_background_check=True,
        people_permissions="Manager",
        remote_id=4_000_000_000,
        resource_permission_flags={"can_access_workflows": True, "can_add_people": [1, 2.5, None]},
        school_type="elementary",
        site_administrator=False,
        stripe_customer_identifier="cus_1",
    ),
    *moments("address", created_at="created_at", updated_at="updated_at"),
    *same(
        "address",
        city=("city", "Boston"),
        country_code=("country_code", "US"),
        location=("location", "Home"),
        primary=("primary", True),
        state=("state", "MA"),
        street_line_1=("street_line_1", "123 Ride Way"),
        street_line_2=("street_line_2", None),
        zip=("zip", "02134"),
    ),
    Golden("address", "country_code", "uk", "country_code", "GB", is_kept=True),
    *custom("address", country_name="United States"),
    *moments("email", created_at="created_at", updated_at="updated_at"),
    *same(
        "email",
        address=("address", "Zoe@Example.org"),
        blocked=("blocked", False),
        location=("location", "Work"),
        primary=("primary", True),
    ),
    *moments("phone_number", created_at="created_at", updated_at="updated_at"),
    *same(
        "phone_number",
        country_code=("country_code", "CA"),
        location=("location", "Mobile"),
        number=("number", "+15555550123"),
        primary=("primary", False),
    ),
    Golden("phone_number", "number", "+1 (555) 555-0123", "number", "+15555550123", is_kept=True),
    Golden("phone_number", "number", "ask Ann", "number", "ask Ann"),
    Golden("phone_number", "number", "", "number", ""),
    Golden("phone_number", "e164", "+15555550123", "number", "+15555550123", is_kept=True),
    *custom(
        "phone_number",
        carrier="AT&T",
        formatted_number="(555) 555-0123",
        international="+1 555-555-0123",
        national="(555) 555-0123",
    ),
    *moments("group", created_at="created_at"),
    *same(
        "group",
        contact_email=("contact_email", "group@example.org"),
        description=("description", "<p>We meet</p>"),
        location_type_preference=("location_type", "physical"),
        memberships_count=("memberships_count", 12),
        name=("name", "Tuesday group"),
        public_church_center_web_url=("url", "https://example.org/g"),
        schedule=("schedule", "Tuesdays"),
        virtual_location_url=("virtual_location_url", "https://example.org/v"),
    ),
    *custom(
        "group",
        can_create_conversation=True,
        can_create_conversation_reason_code="ok",
        chat_enabled=False,
        description_as_plain_text="We meet",
        events_listed=True,
        events_visibility="public",
        header_image={"thumbnail": "https://example.org/t.png"},
        leaders_can_search_people_database=True,
        listed=True,
        members_are_confidential=False,
        tag_ids=[1, 2],
        widget_status={"is": "on"},
    ),
    *moments("group_membership", joined_at="joined_at"),
    *same("group_membership", role=("role", "leader")),
    *moments("event", canceled_at="canceled_at", ends_at="ends_at", starts_at="starts_at"),
    *same(
        "event",
        canceled=("canceled", True),
        description=("description", "Bring food"),
        location_type_preference=("location_type", "virtual"),
        name=("name", "Picnic"),
        virtual_location_url=("virtual_location_url", "https://example.org/e"),
        visitors_count=("head_count", 3),
    ),
    *custom(
        "event",
        attendance_requests_enabled=True,
        automated_reminder_enabled=False,
        image=None,
        multi_day=False,
        reminders_sent=True,
        reminders_sent_at="2021-03-04T05:06:07Z",
        repeating=True,
    ),
]

# Its two columns move together, so `inactivated_at` has tests of its own below.
APART = {("person", "inactivated_at"), ("group", "archived_at")}


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row.entity}.{row.attribute}={row.raw!r}"[:70])
def test_an_attribute_fills_its_column_with_a_native_value_and_nothing_else(row: Golden) -> None:
    bare, record = map_one(row.entity), map_one(row.entity, {row.attribute: row.raw})
    expected = columns_of(row.entity, bare)
    if row.column is not None:
        expected[row.column] = row.value
    columns = columns_of(row.entity, record)
    assert columns == expected
    assert row.column is None or type(columns[row.column]) is type(row.value)
    kept = {f"pco_{row.attribute}": row.raw} if row.column is None or row.is_kept else {}
    assert custom_of(record) == custom_of(bare) | kept


@pytest.mark.parametrize(("name", "attribute"), sorted(APART))
def test_a_record_with_the_time_of_its_end_is_inactive(name: str, attribute: str) -> None:
    columns = columns_of(name, map_one(name, {attribute: MOMENT_TEXT}))
    assert (columns["inactivated_at"], columns["status"]) == (MOMENT, "inactive")
    assert columns_of(name, map_one(name, {attribute: None}))["status"] == "active"


def test_a_status_that_the_source_sends_outweighs_the_time_of_an_end() -> None:
    record = map_one("person", {"status": "active", "inactivated_at": MOMENT_TEXT})
    assert columns_of("person", record)["status"] == "active"


def test_every_entity_of_the_manifest_has_golden_rows() -> None:
    assert set(manifest().entities) == set(ENTITIES)


@pytest.mark.parametrize("name", ENTITIES)
def test_every_attribute_of_the_manifest_has_a_golden_row(name: str) -> None:
    told = {row.attribute for row in GOLDEN if row.entity == name} | {part for of, part in APART if of == name}
    assert told == set(entity(name).attributes)


@pytest.mark.parametrize("name", ENTITIES)
def test_every_golden_row_names_the_column_of_the_manifest(name: str) -> None:
    preferred = {part.prefer: part.to for part in entity(name).attributes.values() if part.prefer}
    for row in GOLDEN:
        if row.entity == name:
            assert row.column == entity(name).attributes[row.attribute].to or row.column == preferred[row.attribute]
