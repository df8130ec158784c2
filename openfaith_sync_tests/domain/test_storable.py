import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from openfaith_sync.domain.storable import storable_json, storable_text

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
    """Give every name and every value in a JSON value, itself first."""
    yield value
    inside = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in inside:
        yield from parts_of(part)


@given(any_json)
def test_json_loses_no_member_and_keeps_no_character_that_postgresql_refuses(value: object) -> None:
    stored = list(parts_of(json.loads(storable_json(value).decode())))
    assert len(stored) == len(list(parts_of(value)))
    assert not any("\0" in part for part in stored if isinstance(part, str))


def test_numbers_of_any_size_and_any_depth_are_kept() -> None:
    deep: object = 10**40
    for _ in range(300):
        deep = [deep]
    assert json.loads(storable_json({"deep": deep})) == {"deep": deep}


def test_equal_objects_are_equal_bytes() -> None:
    assert storable_json({"b": 1, "a": "\0", "ü": 2}) == storable_json({"ü": 2, "a": "\0", "b": 1})
