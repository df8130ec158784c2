"""What sources get wrong about one record, and what each of these mistakes may cost.

A damage changes one resource object, or the bytes that it is sent as. It never says itself what must become
of the record beyond its kind: a value that cannot fill its column costs a warning, one that is no column's
costs nothing, and only what makes a record unidentifiable or empties a required reference costs the record.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from openfaith_sync.domain.manifest.manifest import Manifest

Resource = dict[str, Any]
Change = Callable[[Resource], object]

MARK = "here the damage lies"
"""Stands in a document for what no JSON library writes."""


class Cost(StrEnum):
    """What becomes of the damaged record."""

    NOTHING = "stored"
    WARNING = "stored, and counted as a warning"
    RECORD = "one dead letter"


@dataclass(frozen=True, slots=True)
class Damage:
    """One mistake about one record."""

    name: str
    change: Change
    """Changes the resource object in place, or returns what is sent instead."""
    raw: bytes | None = None
    """Bytes that are sent where the document holds ``MARK``."""
    whole: Callable[[bytes], bytes] | None = None
    """Changes the bytes of the whole answer."""
    slot: str | None = None
    """The kind of attribute that is damaged, by which ``SLOTS`` knows its name in each entity."""
    is_no_value: bool = False
    """Whether the attribute is missing or blank, which is no value and no mistake."""
    cost: Cost | None = None
    """``None``: by what the manifest says of the attribute, or of the reference."""
    sorts_as: str | None = None
    """The stamp by which a source with this damage sorts and filters the record; ``None`` for the true one."""
    is_newer: bool = False
    """Whether it claims a newer version than the record will ever have again."""

    def expected_of(self, manifest: Manifest, kind: str) -> Cost:
        """Return what it may cost a record of this wire type."""
        if self.cost is not None:
            return self.cost
        entity = next(part for part in manifest.entities.values() if part.resource == kind)
        if self.slot == REFERENCE:
            reference = entity.relationships[REFERENCES[kind]]
            return Cost.WARNING if reference.nullable else Cost.RECORD
        if self.is_no_value or self.slot is None:
            return Cost.NOTHING
        attribute = entity.attributes.get(SLOTS[self.slot][kind])
        return Cost.WARNING if attribute is not None and attribute.to else Cost.NOTHING

    def is_of(self, kind: str) -> bool:
        """Return whether it can happen to a record of this wire type."""
        return self.slot in {None, REFERENCE} or kind in SLOTS[self.slot]

    def on(self, resource: Resource) -> object:
        """Return what is sent instead of the resource object."""
        changed = self.change(resource)
        return resource if changed is None else changed.value if isinstance(changed, Sent) else resource


@dataclass(frozen=True, slots=True)
class Sent:
    """What stands where a resource object belongs."""

    value: object


REFERENCE = "reference"
REFERENCES = {"Person": "primary_campus", "Email": "person", "PhoneNumber": "person", "Address": "person"}
SLOTS: Mapping[str, Mapping[str, str]] = {
    "text": {"Person": "nickname", "Email": "location", "Address": "city"},
    "moment": {"Person": "created_at", "Email": "created_at"},
    "version": {"Person": "updated_at", "Email": "updated_at"},
    "date": {"Person": "birthdate", "Email": "created_at"},
    "whole number": {"Person": "remote_id", "Email": "created_at"},
    "yes or no": {"Person": "child", "Email": "primary"},
    "word": {"Person": "status", "Address": "location"},
    "country": {"Person": "membership", "Address": "country_code"},
    "telephone": {"Person": "last_name", "PhoneNumber": "number"},
    "anything": {"Person": "resource_permission_flags", "Email": "odd"},
}


def child_of(damage: Damage) -> str:
    """Return the wire type of the included record that the damage is tried on."""
    return next((kind for kind in SLOTS.get(damage.slot or "", ()) if kind != "Person"), "Email")


def _value(slot: str, value: object) -> Change:
    def change(resource: Resource) -> None:
        resource["attributes"][SLOTS[slot][resource["type"]]] = value

    return change


def _without(slot: str) -> Change:
    return lambda resource: resource["attributes"].pop(SLOTS[slot][resource["type"]], None) and None


def _member(name: str, value: object) -> Change:
    def change(resource: Resource) -> None:
        resource[name] = value

    return change


def _instead(row: object) -> Change:
    return lambda _: Sent(row)


def _missing(name: str) -> Change:
    def change(resource: Resource) -> None:
        del resource[name]

    return change


def _reference(shape: Callable[[Resource], object]) -> Change:
    """Damage the relationship itself; ``shape`` makes it of the right reference."""

    def change(resource: Resource) -> None:
        name = REFERENCES[resource["type"]]
        resource["relationships"][name] = shape(resource["relationships"][name]["data"])

    return change


def _values() -> Iterator[Damage]:
    """Yield values that are of another type than their attribute's, or of none."""
    wrong: Mapping[str, Mapping[str, object]] = {
        "text": {"a number": 7, "true": True, "a list": ["x"], "an object": {"a": 1}, "a fraction": 1.5},
        "moment": {
            "a word": "yesterday", "no such time": "2026-99-99T99:99:99Z", "no such day": "2026-02-30T00:00:00Z",
            "no zone": "2026-01-01T00:00:00", "a zone out of bounds": "2026-01-01T00:00:00+99:00",
            "before the year 1": "0001-01-01T00:00:00+23:59", "after the year 9999": "9999-12-31T23:59:59-23:59",
            "the year 0": "0000-01-01T00:00:00Z", "seconds since 1970": 1767225600,
            "a leap second": "2026-06-30T23:59:60Z",
            "five digits of year": "10000-01-01T00:00:00Z", "a list": [2026, 1, 1],
            "other digits": "٢٠٢٦-٠١-٠١T٠٠:٠٠:٠٠Z",
        },
        "date": {"no such day": "2000-02-30", "all zeros": "0000-00-00", "as Americans write": "12/31/1999",
                 "a number": 19991231, "an object": {"year": 1999}},
        "yes or no": {"text": "true", "a number": 1, "a list": []},
        "whole number": {"text": "seven", "beyond 64 bits": 2**70, "a list": [1]},
        "word": {"a number": 3, "an object": {}},
        "country": {"a number": 1, "a list": ["US"]},
        "telephone": {"a number": 5551234567, "an object": {"number": "555"}},
        "anything": {"a number": -1},
    }  # fmt: skip
    for slot, values in wrong.items():
        for name, value in values.items():
            yield Damage(f"{slot}: {name}", _value(slot, value), slot=slot)
    stamps = wrong["moment"]
    for name, value in stamps.items():
        yield Damage(f"version: {name}", _value("version", value), slot="version")
    for slot in ("moment", "version", "date", "yes or no"):
        yield Damage(f"{slot}: missing", _without(slot), slot=slot, is_no_value=True)
        yield Damage(f"{slot}: null", _value(slot, None), slot=slot, is_no_value=True)
        yield Damage(f"{slot}: blank", _value(slot, "  "), slot=slot, is_no_value=True)


def _claims() -> Iterator[Damage]:
    """Yield versions that are times, and cannot be the record's."""
    for name, stamp, sorts_as in (
        ("in 2031", "2031-01-01T00:00:00Z", None),
        ("in the year 1", "0001-01-01T00:00:00Z", None),
        ("in the year 9999", "9999-12-31T23:59:59Z", None),
        ("in 1969", "1969-12-31T23:59:59Z", None),
        ("with an offset", "2026-01-01T05:30:00+05:30", "2026-01-01T00:00:00Z"),
        ("with a fraction", "2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00Z"),
        ("without hyphens", "20260101T000000Z", "2026-01-01T00:00:00Z"),
        ("with a space", "2026-01-01 00:00:00+00:00", "2026-01-01T00:00:00Z"),
    ):
        change = _value("version", stamp)
        cost, is_newer = Cost.NOTHING, stamp > "2030"
        yield Damage(f"version: {name}", change, None, None, "version", False, cost, sorts_as or stamp, is_newer)


def _texts() -> Iterator[Damage]:
    """Yield texts that are hard to carry, and stay texts."""
    texts = {
        "NUL": "A\0B", "control characters": "A\x01\x1f\x7f\x9bB", "very long": "long " * 40_000, "empty": "",
        "blank": " \t\n",
        "JSON": '{"id": "1"}', "SQL": "'; DROP TABLE people; --", "a line separator": "A\u2028B",
        "right to left": "A\u202eB",
        "no character": "A\ufffe\uffff", "a byte-order mark inside": "A\ufeffB", "combining": "e\u0301" * 50,
    }  # fmt: skip
    for name, text in texts.items():
        yield Damage(f"text: {name}", _value("text", text), slot="text", cost=Cost.NOTHING)
    raw = {
        "half an emoji": b'"A \\ud83d"', "the other half": b'"\\ude00 A"',
        "halves in the wrong order": b'"\\ude00\\ud83d"',
        "an invalid byte": b'"A \xff"', "a character cut short": b'"A \xe2\x82"',
        "a character too long": b'"A \xc0\x80"',
        "Latin-1": '"Jos\xe9"'.encode("latin-1"), "an escaped NUL": b'"A\\u0000"', "a raw line break": b'"A\nB"',
    }  # fmt: skip
    for name, content in raw.items():
        yield Damage(f"text: {name}", _value("text", MARK), content, slot="text", cost=Cost.NOTHING)


def _numbers() -> Iterator[Damage]:
    """Yield what stands in place of a value and is no value of JSON."""
    raw = {
        "NaN": b"NaN", "Infinity": b"Infinity", "minus infinity": b"-Infinity", "beyond all floats": b"1e999",
        "5,000 digits": b"9" * 5_000, "lists in lists": b"[" * 3_000 + b"]" * 3_000,
        "objects in objects": b'{"a":' * 1_500 + b"1" + b"}" * 1_500,
    }  # fmt: skip
    for slot in ("text", "moment"):
        for name, content in raw.items():
            yield Damage(f"{slot}: {name}", _value(slot, MARK), content, slot=slot)


def _identities() -> Iterator[Damage]:
    """Yield ids, types and rows by which no record can be known."""
    ids: dict[str, object] = {
        "null": None, "true": True, "a list": ["1"], "an object": {}, "a fraction": 1.5, "empty": "", "blank": " ",
        "with NUL": "1\0", "3,000 characters": "1" * 3_000, "beyond 64 bits": 2**70,
    }  # fmt: skip
    for name, value in ids.items():
        yield Damage(f"id: {name}", _member("id", value), cost=Cost.RECORD)
    yield Damage("id: missing", _missing("id"), cost=Cost.RECORD)
    yield Damage("id: half an emoji", _member("id", MARK), b'"\\ud83d"', cost=Cost.RECORD)
    yield Damage("id: a number", lambda resource: _member("id", int(resource["id"]))(resource), cost=Cost.NOTHING)
    for name, value in {"null": None, "a number": 5, "an object": {}, "another": "Stranger"}.items():
        yield Damage(f"type: {name}", _member("type", value), cost=Cost.RECORD)
    yield Damage("type: missing", _missing("type"), cost=Cost.RECORD)
    yield Damage("type: lower case", lambda one: _member("type", one["type"].lower())(one), cost=Cost.NOTHING)
    for name, value in {"null": None, "text": "x", "a number": 1, "a list": [], "true": True}.items():
        yield Damage(f"row: {name}", _instead(value), cost=Cost.RECORD)


def _parts() -> Iterator[Damage]:
    """Yield members of other shapes."""
    for name, value in {"a list": ["x"], "text": "x", "a number": 7, "null": None, "an empty list": []}.items():
        yield Damage(f"attributes: {name}", _member("attributes", value), cost=Cost.RECORD)
    yield Damage("attributes: missing", _missing("attributes"), cost=Cost.RECORD)
    for name, value in {"a list": ["x"], "text": "x", "a number": 7}.items():
        yield Damage(f"relationships: {name}", _member("relationships", value), cost=Cost.RECORD)
    for name, value in {"links: null": None, "links: text": "x", "links: a list": []}.items():
        yield Damage(name, _member("links", value), cost=Cost.NOTHING)
    yield Damage("links: missing", _missing("links"), cost=Cost.NOTHING)
    odd = {"a": [{"b": None}] * 50}
    yield Damage(
        "an attribute that nobody knows", lambda one: one["attributes"].update({"odd": odd}), cost=Cost.NOTHING
    )
    yield Damage("a member that nobody knows", _member("\u2603", odd), cost=Cost.NOTHING)
    twice = b'{"type": 1, "type":'
    yield Damage("a key twice", lambda _: None, whole=lambda body: body.replace(b'{"type":', twice), cost=Cost.NOTHING)
    yield Damage("a byte-order mark before all", lambda _: None, whole=lambda b: b"\xef\xbb\xbf" + b, cost=Cost.NOTHING)
    yield Damage("UTF-16", lambda _: None, whole=lambda body: body.decode().encode("utf-16"), cost=Cost.NOTHING)


def _references() -> Iterator[Damage]:
    """Yield relationships of other shapes than a reference's."""
    shapes: Mapping[str, Callable[[Resource], object]] = {
        "text": lambda _: "x", "a list": lambda right: [right], "data: text": lambda right: {"data": right["id"]},
        "data: a number": lambda _: {"data": 1}, "data: two": lambda right: {"data": [right, {**right, "id": "99"}]},
        "data: without an id": lambda right: {"data": {"type": right["type"]}},
        "data: an id that is null": lambda right: {"data": {**right, "id": None}},
        "data: an id that is a list": lambda right: {"data": {**right, "id": ["1"]}},
        "data: without a type": lambda right: {"data": {"id": right["id"]}},
        "data: another type": lambda right: {"data": {**right, "type": "Household"}},
        "data: a list in a list": lambda right: {"data": [[right]]},
    }  # fmt: skip
    for name, shape in shapes.items():
        yield Damage(f"reference: {name}", _reference(shape), slot=REFERENCE)
    harmless: Mapping[str, Callable[[Resource], object]] = {
        "an id that is a number": lambda right: {"data": {**right, "id": int(right["id"])}},
        "a list of one": lambda right: {"data": [right]},
    }
    for name, shape in harmless.items():
        yield Damage(f"reference: {name}", _reference(shape), cost=Cost.NOTHING)


DAMAGES: Mapping[str, Damage] = {
    damage.name: damage
    for kind in (_values, _claims, _texts, _numbers, _identities, _parts, _references)
    for damage in kind()
}
