"""Columns of custom fields: their names stay, whatever becomes of the fields."""

from datetime import UTC, datetime, timedelta

import pytest

from openfaith_sync.domain.field_columns import KEPT_FOR, MOST_BYTES, MOST_LETTERS, Field, field_columns, view_name

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def field(number: str, slug: str | None = None, name: str | None = None, kind: str = "text", **more: datetime) -> Field:
    return Field(f"field_{number}", number, name, slug, kind, **more)


def names(*fields: Field, given: dict[str, str] | None = None) -> list[str]:
    return [column.name for column in field_columns(fields, given or {}, NOW)]


@pytest.mark.parametrize(
    ("slug", "name", "column"),
    [
        ("shoe_size", "Shoe size", "shoe_size"),
        (None, "Größe (EU)", "gr_e_eu"),
        (None, None, "field_7"),
        ("2nd_name", "", "field_2nd_name"),
        ("name", "Name", "field_name"),  # people have a column of this name
        ("id", "Id", "field_id"),
        ("漢字", None, "field_7"),
        ("x" * 90, None, "x" * MOST_LETTERS),
    ],
)
def test_a_column_is_called_like_its_field(slug: str | None, name: str | None, column: str) -> None:
    assert names(field("7", slug, name)) == [column]


def test_fields_of_one_name_get_their_ids() -> None:
    long = "x" * 90
    assert names(field("1", "a"), field("2", "a"), field("3", long), field("4", long)) == [
        *("a", "a_2", "x" * MOST_LETTERS, "x" * (MOST_LETTERS - 2) + "_4")
    ]


def test_a_name_stays_and_is_given_to_no_other_field() -> None:
    given = {"field_1": "size", "field_9": "gone"}
    assert names(field("2", "gone"), field("1", "shoe_size"), given=given) == ["size", "gone_2"]


def test_a_deleted_field_keeps_its_column_for_a_while() -> None:
    given = {"field_1": "a", "field_2": "b"}
    fields = (field("1", "a", left_at=NOW - KEPT_FOR), field("2", "b", left_at=NOW - KEPT_FOR + timedelta(hours=1)))
    assert names(*fields, given=given) == ["b"]


def test_a_caption_has_no_column_and_each_type_has_its_own() -> None:
    kinds = ("text", "number", "date", "boolean", "checkboxes", "select", "file", "header", "rating")
    columns = field_columns([field(kind, kind, kind=kind) for kind in kinds], {}, NOW)
    assert {column.name: column.type for column in columns} == {
        **dict.fromkeys(("text", "select", "file", "rating"), "text"),
        "number": "double precision",
        "date": "date",
        "boolean": "boolean",
        "checkboxes": "text[]",
    }


def test_views_of_two_orgs_never_have_one_name() -> None:
    orgs = ["first-baptist", "firstbaptist", "a" * 63, "a" * 62 + "b", "a-" * 31, "a" * 52 + "-b"]
    found = [view_name(org) for org in orgs]
    assert len(set(found)) == len(orgs)
    assert all(len(name) <= MOST_BYTES for name in found)
