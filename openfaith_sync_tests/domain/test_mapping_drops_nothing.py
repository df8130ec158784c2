import json
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openfaith_sync.domain.errors import RecordRejected
from openfaith_sync.domain.manifest.attribute import AttributeType
from openfaith_sync.domain.records.record import Record
from openfaith_sync_tests.domain.church import ENTITIES, columns_of, custom_of, entity, map_one, raw_record

# What PostgreSQL cannot hold is replaced, and has tests of its own.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | integers | floats | text,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(text, part, max_size=3),
    max_leaves=8,
)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones() | st.just(UTC))  # noqa: DTZ001

right_values: dict[AttributeType, st.SearchStrategy[Any]] = {
    AttributeType.STRING: text | st.sampled_from(["Male", "F", "pending", "active", "US", "uk", "+1 555 555 0123"]),
    AttributeType.BOOLEAN: st.booleans(),
    AttributeType.INTEGER: st.integers(-(2**31), 2**31 - 1) | st.just(2.0),
    AttributeType.FLOAT: floats | integers | floats.map(repr) | st.just(""),
    AttributeType.DATE: st.dates().map(date.isoformat) | st.just("20210304") | st.just("2021-W09-4"),
    AttributeType.DATE_TIME: moments.map(datetime.isoformat)
    | moments.map(lambda moment: moment.astimezone(UTC).isoformat().replace("+00:00", "Z"))
    | st.sampled_from(["2021-W09-4T05:06:07Z", "2021-03-04 05:06:07Z"]),
    AttributeType.JSON: json_values,
    AttributeType.ARRAY: st.lists(json_values, max_size=3),
    AttributeType.PRIMARY_KEY: text | integers,
}


@st.composite
def right_records(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw an entity with right values for some of its attributes and any for unknown ones."""
    name = draw(st.sampled_from(ENTITIES))
    known = {key: st.none() | right_values[part.type] for key, part in entity(name).attributes.items()}
    version = entity(name).delta.attribute
    if version:
        known[version] = right_values[AttributeType.DATE_TIME]
    unknown = draw(st.dictionaries(text.filter(lambda key: key not in known), json_values, max_size=3))
    return name, draw(st.fixed_dictionaries({}, optional=known)) | unknown


def shown(value: object) -> object:
    """Return a column's value as JSON would have it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def what_came(name: str, attribute: str, record: Record) -> object:
    """Tell an attribute's value from the record alone."""
    custom = custom_of(record)
    if (key := f"pco_{attribute}") in custom:
        return custom[key]
    return shown(columns_of(name, record)[str(entity(name).attributes[attribute].to)])


@given(right_records())
def test_every_attribute_can_be_told_from_the_columns_and_the_custom_fields(
    drawn: tuple[str, dict[str, Any]],
) -> None:
    name, attributes = drawn
    record = map_one(name, attributes)
    came = raw_record(name, attributes).attributes
    assert {attribute: what_came(name, attribute, record) for attribute in came} == came
    assert {key.removeprefix("pco_") for key in custom_of(record)} <= set(came)


@given(st.sampled_from(ENTITIES), st.data())
def test_whatever_comes_is_mapped_or_set_aside_with_a_reason(name: str, data: st.DataObject) -> None:
    keys = st.sampled_from(sorted(entity(name).attributes)) | text
    attributes = data.draw(st.dictionaries(keys, json_values, max_size=6))
    try:
        record = map_one(name, attributes)
    except RecordRejected as rejected:
        assert rejected.field in attributes  # noqa: PT017
        assert rejected.reason  # noqa: PT017
    else:
        assert {a: what_came(name, a, record) for a in attributes} == json.loads(json.dumps(attributes))
