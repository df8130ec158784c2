"""Whatever is wrong with one row, the others of its page are read, and the row is known again."""

import json

import orjson
import pytest

from openfaith_sync.adapters.client.lenient_json import MAX_DEPTH, parse_json
from openfaith_sync.domain.errors import MalformedAnswer
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.records.record import RawRecord, Reference
from openfaith_sync_tests.adapters.test_malformed_answers import EMAILS, answering, email, listing, ok, set_to

PERSON, EMAIL = EntityName("person"), EntityName("email")

BYTES = {
    "half an emoji": (b"user1@", b"\\ud83d@"),
    "an invalid byte": (b"user1@", b"\xff@"),
    "a control character": (b"user1@", b"\x01@"),
    "not a number": (b'"user1@example.org"', b"NaN"),
    "infinity": (b'"user1@example.org"', b"-Infinity"),
    "a float beyond all floats": (b'"user1@example.org"', b"1e999"),
    "an integer of many digits": (b'"user1@example.org"', b"9" * 5_000 + b',"odd":NaN'),
    "lists in lists": (b'"user1@example.org"', b"[" * 50_000 + b"]" * 50_000),
    "objects in objects": (b'"user1@example.org"', b'{"a":' * 2_000 + b"1" + b"}" * 2_000),
    "a byte-order mark": (b"{", b"\xef\xbb\xbf{"),
    "a key twice": (b'"address":', b'"address": 1, "address":'),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_a_strict_parser_refuses_cost_no_row(name: str) -> None:
    found, damage = BYTES[name]
    source, asked, _ = answering(ok(orjson.dumps(listing()).replace(found, damage, 1)))
    page = source.read_page(EMAILS)
    assert [record.external_id for record in page.records] == ["1", "2"]
    assert not page.unreadable
    assert page.records[1].attributes == email(2)["attributes"]
    assert len(asked) == 1


ROWS = {
    "text": (set_to("x", "data", 0), "record", "string"),
    "null": (set_to(None, "data", 0), "record", "null"),
    "a list": (set_to([], "data", 0), "record", "array"),
    "no id": (lambda body: body["data"][0].pop("id"), "id", "null"),
    "an id that is null": (set_to(None, "data", 0, "id"), "id", "null"),
    "an id that is true": (set_to(True, "data", 0, "id"), "id", "boolean"),
    "an id that is a list": (set_to(["1"], "data", 0, "id"), "id", "array"),
    "an id that is an object": (set_to({"id": "1"}, "data", 0, "id"), "id", "object"),
    "an id that is a fraction": (set_to(1.5, "data", 0, "id"), "id", "number"),
    "an empty id": (set_to("", "data", 0, "id"), "id", "string"),
    "an id of white space": (set_to(" ", "data", 0, "id"), "id", "string"),
    "an id that PostgreSQL refuses": (set_to("1\0", "data", 0, "id"), "id", "string"),
    "an id too long to be a key": (set_to("1" * 3_000, "data", 0, "id"), "id", "string"),
    "another type": (set_to("Person", "data", 0, "type"), "type", "string"),
    "a type that is an object": (set_to({}, "data", 0, "type"), "type", "object"),
    "no type": (lambda body: body["data"][0].pop("type"), "type", "null"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_cannot_be_identified_is_one_damaged_row_in_its_place(name: str) -> None:
    damage, field, kind = ROWS[name]
    body = listing()
    damage(body)
    source, asked, _ = answering(ok(body))
    page = source.read_page(EMAILS)
    bad, good = page.records
    assert (good.external_id, good.damage, page.rows, page.has_next) == ("2", None, 2, True)
    assert page.unreadable == (bad,)
    assert bad.is_unidentified
    assert bad.damage is not None
    assert (bad.damage.field, bad.damage.value_type) == (field, kind)
    assert bad.body == {
        "row": body["data"][0],
        "place": {"listing": "/people/v2/emails", "offset": 0, "index": 0, "after": None},
    }
    assert len(asked) == 1


def test_a_row_that_cannot_be_identified_is_known_again_wherever_it_is_listed() -> None:
    body = listing()
    body["data"] = [email(1), email(2) | {"id": None}]
    first = answering(ok(body))[0].read_page(EMAILS)
    body["data"].reverse()
    again = answering(ok(body))[0].read_page(EMAILS)
    assert first.records[1].external_id == again.records[0].external_id
    assert first.records[1].body["place"]["after"] == "1"


@pytest.mark.parametrize(
    ("part", "value", "kind"),
    [
        ("attributes", ["x"], "array"),
        ("attributes", "x", "string"),
        ("attributes", {}, "nothing"),
        ("attributes", [], "nothing"),
        ("attributes", None, "nothing"),
        ("relationships", ["x"], "array"),
        ("relationships", 7, "number"),
    ],
)
def test_a_record_without_its_parts_is_damaged_under_its_own_id(part: str, value: object, kind: str) -> None:
    body = listing()
    body["data"][0][part] = value
    bad, good = answering(ok(body))[0].read_page(EMAILS).records
    assert (bad.external_id, bad.is_unidentified, good.damage) == ("1", False, None)
    assert bad.damage is not None
    assert (bad.damage.field, bad.damage.value_type, bad.body) == (part, kind, body["data"][0])


def test_an_id_that_is_a_number_is_its_text() -> None:
    body = listing()
    body["data"][0]["id"] = 7
    assert [record.external_id for record in answering(ok(body))[0].read_page(EMAILS).records] == ["7", "2"]


def test_a_type_compares_without_case() -> None:
    body = listing()
    body["data"][0]["type"] = "email"
    assert not answering(ok(body))[0].read_page(EMAILS).unreadable


def test_an_empty_list_is_an_empty_object() -> None:
    body = listing()
    body["data"][0]["relationships"] = []
    (first, _) = answering(ok(body))[0].read_page(EMAILS).records
    assert (first.damage, first.references) == (None, {})


SHAPES = {
    "a reference": ({"data": {"type": "Person", "id": "1"}}, "references", Reference(ExternalId("1"), "Person")),
    "a number as id": ({"data": {"type": "Person", "id": 1}}, "references", Reference(ExternalId("1"), "Person")),
    "unset": ({"data": None}, "references", None),
    "a list": ({"data": [{"type": "Person", "id": 1}]}, "members", (Reference(ExternalId("1"), "Person"),)),
    "an empty list": ({"data": []}, "members", ()),
    "no type": ({"data": {"id": "1"}}, "oddities", {"id": "1"}),
    "no id": ({"data": {"type": "Person"}}, "oddities", {"type": "Person"}),
    "a type that is a number": ({"data": {"type": 1, "id": "1"}}, "oddities", {"type": 1, "id": "1"}),
    "an id alone": ({"data": "1"}, "oddities", "1"),
    "a list with something else": (
        {"data": [{"type": "Person", "id": "1"}, 2]},
        "oddities",
        [{"type": "Person", "id": "1"}, 2],
    ),
    "nothing but text": ("1", "oddities", "1"),
    "nothing but a list": ([1], "oddities", [1]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_relationship_of_any_shape_is_read_or_kept(name: str) -> None:
    shape, member, value = SHAPES[name]
    body = listing()
    body["data"][0]["relationships"] = {"person": shape}
    (record, _) = answering(ok(body))[0].read_page(EMAILS).records
    assert record.damage is None
    assert (getattr(record, member) or {}) == {"person": value}


def test_a_relationship_of_which_only_links_are_shown_says_nothing() -> None:
    body = listing()
    body["data"][0]["relationships"] = {"person": {"links": {"related": None}}}
    (record, _) = answering(ok(body))[0].read_page(EMAILS).records
    assert (record.references, record.members, record.oddities) == ({}, None, None)


ANN = {"type": "Person", "id": "1", "attributes": {"name": "Ann"}, "relationships": {}}


def people(**more: object) -> dict[str, object]:
    return {"links": {}, "data": [ANN], "meta": {"total_count": 1, "count": 1}, **more}


def read_people(body: dict[str, object]) -> Page:
    return answering(ok(body))[0].read_page(ListingQuery(PERSON, children=(EMAIL,)))


@pytest.mark.parametrize("included", [{}, {"included": []}, {"included": None}, {"included": {}}])
def test_a_missing_or_empty_list_of_included_records_is_empty(included: dict[str, object]) -> None:
    assert read_people(people(**included)).children == {"email": ()}


@pytest.mark.parametrize("odd", [None, "x", 7, [], {}, {"type": {}}, {"type": "Address", "id": "5"}])
def test_what_is_included_and_nobodys_child_costs_no_other(odd: object) -> None:
    page = read_people(people(included=[odd, email(1)]))
    assert [child.external_id for child in page.children[EMAIL]] == ["1"]


def test_an_included_record_that_cannot_be_identified_is_one_damaged_child() -> None:
    page = read_people(people(included=[email(1) | {"id": None}, email(2)]))
    bad, good = page.children[EMAIL]
    assert (bad.is_unidentified, good.external_id) == (True, "2")
    assert len(page.records) == 1


@pytest.mark.parametrize("key", ["links", "data", "included"])
def test_an_empty_listing_may_leave_out_what_is_empty(key: str) -> None:
    body = {"links": {}, "data": [], "included": [], "meta": {"total_count": 0, "count": 0}}
    body.pop(key)
    page = answering(ok(body))[0].read_page(EMAILS)
    assert (page.records, page.has_next, page.total_count) == ((), False, 0)


def read_one(data: object, **more: object) -> RawRecord:
    fresh = answering(ok({"data": data, "links": {}, **more}))[0].read_record(EMAIL, ExternalId("1"))
    assert fresh is not None
    return fresh.record


def test_a_single_read_without_included_is_read() -> None:
    fresh = answering(ok({"data": ANN}))[0].read_record(PERSON, ExternalId("1"))
    assert fresh is not None
    assert all(children == () for children in fresh.children.values())


@pytest.mark.parametrize(
    "damage",
    [
        {"id": None},
        {"attributes": []},
        {"relationships": "x"},
        {"type": None},
        {"type": "Stranger"},
        {"id": [], "type": 1},
    ],
)
def test_a_single_read_of_a_damaged_record_is_damaged_under_the_id_that_was_asked_for(
    damage: dict[str, object],
) -> None:
    record = read_one(email(1) | damage)
    assert record.external_id == "1"
    assert record.damage is not None


@pytest.mark.parametrize("data", ["x", 7, True, []])
def test_a_single_read_of_no_resource_object_is_damaged_under_the_id_that_was_asked_for(data: object) -> None:
    record = read_one(data)
    assert record.external_id == "1"
    assert record.damage is not None


@pytest.mark.parametrize("data", [None, email(2), {**email(2), "type": None}])
def test_a_single_read_that_answers_nothing_or_another_record_is_refused(data: object) -> None:
    with pytest.raises(MalformedAnswer):
        read_one(data)


@pytest.mark.parametrize("kind", ["Application/VND.API+JSON", "APPLICATION/JSON; charset=utf-8"])
def test_media_types_compare_without_case(kind: str) -> None:
    answer = ok(listing())
    answer.headers["content-type"] = kind
    assert len(answering(answer)[0].read_page(EMAILS).records) == 2


def test_what_is_nested_too_deep_becomes_its_text() -> None:
    deep = "[" * 3_000 + '"a ] \\" b"' + "]" * 3_000
    found = parse_json(f'{{"deep": {deep}, "other": 1}}')
    assert isinstance(found, dict)
    assert found["other"] == 1
    value, levels = found["deep"], 1
    while isinstance(value, list):
        (value,), levels = value, levels + 1
    assert levels == MAX_DEPTH
    assert json.loads(json.dumps(value)) == deep[MAX_DEPTH - 1 : -MAX_DEPTH + 1]


@pytest.mark.parametrize("broken", [b"", b"{", b'{"a": }', b"<html>", b"[" * 5_000])
def test_what_is_no_json_is_refused_however_leniently_it_is_read(broken: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  what orjson and json raise
        parse_json(broken)
