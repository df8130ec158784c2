import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from openfaith_sync.domain.mapping.unstorable_text import MAX_DEPTH, storable_json, storable_text

any_text = st.text(st.characters(exclude_categories=[]) | st.sampled_from(["\0", "\ud800", "\udfff"]), max_size=8)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(any_text, part, max_size=4),
    max_leaves=8,
)


@given(any_text)
def test_text_loses_only_what_postgresql_refuses(text: str) -> None:
    storable = storable_text(text)
    assert "\0" not in storable.encode().decode()
    assert len(storable) == len(text)
    assert all(now in {was, "\ufffd"} for was, now in zip(text, storable, strict=True))


def parts_of(value: object) -> Iterator[object]:
    """Yield every name and every value in a JSON value, itself first."""
    yield value
    inside = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in inside:
        yield from parts_of(part)


@given(any_json)
def test_json_loses_no_member_and_keeps_no_character_that_postgresql_refuses(value: object) -> None:
    stored = list(parts_of(json.loads(storable_json(value).decode())))
    assert len(stored) == len(list(parts_of(value)))
    assert not any("\0" in part for part in stored if isinstance(part, str))


def nested(levels: int, value: object) -> object:
    for _ in range(levels):
        value = [value]
    return value


def test_numbers_of_any_size_are_kept_however_deep_a_person_would_nest_them() -> None:
    deep = nested(MAX_DEPTH - 1, 10**40)
    assert json.loads(storable_json({"deep": deep})) == {"deep": deep}


def test_what_is_nested_deeper_than_that_is_left_out_and_said_to_be() -> None:
    assert json.loads(storable_json(nested(900, 1))) == nested(MAX_DEPTH, "left out: nested deeper than 220 levels")


def test_equal_objects_are_equal_bytes() -> None:
    assert storable_json({"b": 1, "a": "\0", "ü": 2}) == storable_json({"ü": 2, "a": "\0", "b": 1})
