"""Readings put canonical tables together: custom fields by type, and attendance as the source's app counts it."""

from datetime import date
from decimal import Decimal

import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.canonical_entities import read_canonical
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, fetch, run
from openfaith_sync_tests.store.stored_church import known, raw, store_raws
from openfaith_sync_tests.store.test_source_tables import apply

FIELDS = {"1": "boolean", "2": "checkboxes", "3": "date", "4": "number", "5": "string", "6": "select", "7": "file"}
NAMES = {"1": "baptized", "2": "skills", "3": "start", "4": "shoe_size", "5": "nickname", "6": "shirt", "7": "photo"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_canonical(tmp_path_factory.mktemp("canonical"))


@pytest.fixture
def church(database: Database, manifest: Manifest) -> Database:
    """A church with a field of each type."""
    apply(database, manifest)
    store_raws(database, manifest, "organization", raw("1", {"date_format": "%d/%m/%Y"}))
    definitions = [
        raw(number, {"name": NAMES[number].title(), "slug": NAMES[number], "data_type": kind})
        for number, kind in FIELDS.items()
    ]
    store_raws(database, manifest, "field_definition", *definitions)
    options = [
        raw(number, {"value": name, "sequence": place}, field_definition=("FieldDefinition", field))
        for number, name, place, field in (("1", "Guitar", 2, "2"), ("2", "Drums", 1, "2"), ("3", "M", 1, "6"))
    ]
    store_raws(database, manifest, "field_option", *options)
    return database


def put(database: Database, manifest: Manifest, *values: tuple[str, str, str | None], person: str = "1") -> None:
    """Store values of a person: the id of each, its field and its text."""
    raws = [
        raw(number, {"value": text, "file_name": "me.jpg" if field == "7" else None},
            field_definition=("FieldDefinition", field), customizable=("Person", person))
        for number, field, text in values
    ]  # fmt: skip
    store_raws(database, manifest, "field_datum", *raws)


@pytest.mark.parametrize(
    ("field", "text", "column", "value"),
    [
        ("1", "true", "value_boolean", True),
        ("1", "No", "value_boolean", False),
        ("1", "perhaps", "value_boolean", None),
        ("3", "2024-02-29", "value_date", date(2024, 2, 29)),
        ("3", "2024-05-06T07:08:09Z", "value_date", date(2024, 5, 6)),
        ("3", "06/05/2024", "value_date", date(2024, 5, 6)),  # as this church writes dates
        ("3", "05/13/2024", "value_date", None),  # no thirteenth month: not guessed
        ("3", "2023-02-29", "value_date", None),
        ("3", "0000-00-00", "value_date", None),
        ("3", "soon", "value_date", None),
        ("4", "1,234.50", "value_number", Decimal("1234.50")),
        ("4", "-3", "value_number", Decimal(-3)),
        ("4", "12,34", "value_number", None),
        ("4", "9" * 200, "value_number", None),
        ("4", "", "value_number", None),
    ],
)
def test_a_value_is_read_by_its_fields_type_or_stays_text(
    church: Database, manifest: Manifest, field: str, text: str, column: str, value: object
) -> None:
    put(church, manifest, ("1", field, text))
    query = f"SELECT {column}, is_read, value_text FROM openfaith_live.field_values_typed"
    assert fetch(church, query) == [(value, value is not None, text)]


def test_of_several_values_of_a_field_that_holds_one_the_newest_is_current(
    church: Database, manifest: Manifest
) -> None:
    put(church, manifest, ("9", "5", "Annie"), ("10", "5", "Ann"), ("11", "2", "Guitar"), ("12", "2", "Drums"))
    current = "SELECT value FROM openfaith_live.field_values_typed WHERE is_current ORDER BY value"
    assert fetch(church, current) == [("Ann",), ("Drums",), ("Guitar",)]
    newer = {"value": "Annie", "updated_at": "2024-05-06T07:08:09Z"}
    field, person = ("FieldDefinition", "5"), ("Person", "1")
    store_raws(church, manifest, "field_datum", raw("9", newer, field_definition=field, customizable=person))
    assert fetch(church, current) == [("Annie",), ("Drums",), ("Guitar",)]


def test_an_option_is_found_by_its_text_within_its_field(church: Database, manifest: Manifest) -> None:
    put(church, manifest, ("1", "6", "M"), ("2", "2", "M"), ("3", "5", "M"))
    query = "SELECT external_id, option_id FROM openfaith_live.field_values_typed ORDER BY 1"
    assert fetch(church, query) == [("1", known("field_option", "3")), ("2", None), ("3", None)]


def test_a_persons_fields_are_one_object(church: Database, manifest: Manifest) -> None:
    values = [("1", "1", "true"), ("2", "2", "Guitar"), ("3", "2", "Drums"), ("4", "3", "2024-05-01")]
    put(church, manifest, *values, ("5", "4", "42"), ("6", "5", "Ann"), ("7", "6", "M"), ("8", "7", None))
    put(church, manifest, ("20", "4", "many"), person="2")
    found = dict(fetch(church, "SELECT person_id, fields FROM openfaith_live.person_fields"))
    assert found[known("person", "1")] == {
        "baptized": True,
        "skills": ["Drums", "Guitar"],
        "start": "2024-05-01",
        "shoe_size": 42,
        "nickname": "Ann",
        "shirt": "M",
        "photo": "me.jpg",
    }
    assert found[known("person", "2")] == {"shoe_size": "many"}


def test_two_fields_of_one_name_keep_apart_and_deleted_ones_are_left_out(church: Database, manifest: Manifest) -> None:
    again = {"name": "Nickname", "slug": "nickname", "data_type": "string"}
    gone = {"name": "Shirt", "slug": "shirt", "data_type": "select", "deleted_at": "2024-05-06T07:08:09Z"}
    store_raws(church, manifest, "field_definition", raw("50", again), raw("6", gone))
    put(church, manifest, ("1", "5", "Ann"), ("2", "50", "Annie"), ("3", "6", "M"))
    assert fetch(church, "SELECT fields FROM openfaith_live.person_fields") == [
        ({"nickname_5": "Ann", "nickname_50": "Annie"},)
    ]


def test_a_value_that_is_ahead_of_its_field_is_text(church: Database, manifest: Manifest) -> None:
    put(church, manifest, ("1", "99", "2024-05-01"))
    query = "SELECT data_type, value_text, value_date FROM openfaith_live.field_values_typed"
    assert fetch(church, query) == [("text", "2024-05-01", None)]


def check_in(number: str, person: str | None, kind: str, *times: tuple[str, str]) -> tuple[RawRecord, list[RawRecord]]:
    visit = raw(number, {"kind": kind}, person=("Person", person) if person else None)
    return visit, [
        raw(time, {"kind": kind}, check_in=("CheckIn", number), event_time=("EventTime", at)) for time, at in times
    ]


def test_attendance_counts_each_person_once_and_guests_and_volunteers_apart(
    database: Database, manifest: Manifest
) -> None:
    apply(database, manifest)
    store_raws(database, manifest, "event_time", raw("900", {"name": "9:00"}), raw("1100", {"name": "11:00"}))
    visits = [
        check_in("1", "10", "Regular", ("1", "900"), ("2", "1100")),
        check_in("2", "10", "Regular", ("3", "900")),  # checked in twice at one time
        check_in("3", "11", "Regular", ("4", "900")),
        check_in("4", "11", "Volunteer", ("5", "900")),  # serves as well
        check_in("5", None, "Guest", ("6", "900")),  # guests without a record are one each
        check_in("6", None, "Guest", ("7", "900")),
        check_in("7", "12", "Guest", ("8", "1100")),
    ]
    store_raws(database, manifest, "check_in", *(visit for visit, _ in visits))
    store_raws(database, manifest, "check_in_time", *(one for _, times in visits for one in times))
    counted = [
        raw(number, {"total": total}, event_time=("EventTime", "900")) for number, total in (("1", 30), ("2", 4))
    ]
    store_raws(database, manifest, "headcount", *counted)
    query = "SELECT event_id, kind, people, headcount FROM openfaith_live.attendance_counts ORDER BY event_id, kind"
    early, late = known("event_time", "900"), known("event_time", "1100")
    expected = [
        *((early, "guest", 2, 0), (early, "headcount", 0, 34), (early, "regular", 1, 0), (early, "volunteer", 1, 0)),
        *((late, "guest", 1, 0), (late, "regular", 1, 0)),
    ]
    assert fetch(database, query) == sorted(expected)
    # A visit that is gone takes its times with it.
    run(database, "UPDATE openfaith.attendances SET deleted_at = now() WHERE type = 'check_in' AND external_id = '7'")
    assert fetch(database, query) == sorted(expected[:4] + expected[5:])


def test_who_was_expected_and_did_not_come_to_a_group_is_not_counted(database: Database, manifest: Manifest) -> None:
    apply(database, manifest)
    rows = [
        raw(number, {"attended": came, "role": role}, event=("Event", "5"), person=("Person", number))
        for number, came, role in (("1", True, "member"), ("2", False, "member"), ("3", True, "visitor"))
    ]
    store_raws(database, manifest, "attendance", *rows)
    store_raws(database, manifest, "attendance", *rows[:1], org=OTHER_ORG)
    run(
        database,
        "INSERT INTO openfaith.events (id, org_id, external_id, adapter, type, content_hash, head_count)"
        " VALUES (%s, %s, '5', 'pco', 'event', '', 7)",
        *(known("event", "5"), ORG),
    )
    query = "SELECT kind, people, headcount FROM openfaith_live.attendance_counts"
    with database.connect(ORG) as connection:
        assert sorted(connection.execute(query)) == [("guest", 1, 0), ("headcount", 0, 7), ("regular", 1, 0)]
    with database.connect(OTHER_ORG) as connection:
        assert connection.execute(query).fetchall() == [("regular", 1, 0)]
