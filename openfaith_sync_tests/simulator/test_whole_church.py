"""The apps of a whole church: what they say of each other is consistent, and a seed makes them alike."""

from collections import Counter, defaultdict
from typing import Any

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.data.apps.population import populate
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.ground_truth import TrueRecord, parse_truth, truth_lines
from openfaith_sync.simulator.data.membership_rules import count_name
from openfaith_sync.simulator.data.tables import Table
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS, DAY_SECONDS, to_seconds, to_text
from openfaith_sync_tests.ten_entities import SHIPPED

Truth = dict[str, TrueRecord]


@pytest.fixture(scope="module")
def whole_manifest() -> Manifest:
    return read_manifest(SHIPPED, "pco")


@pytest.fixture(scope="module")
def world(whole_manifest: Manifest) -> World:
    return populate(whole_manifest, 120, seed=3)


def truth(world: World, entity: str) -> Truth:
    if entity not in world.tables:
        pytest.skip(f"no module of the manifest has {entity}")
    return parse_truth(b"\n".join(truth_lines(world, world.tables[entity])))


def by(records: Truth, relationship: str) -> dict[str, list[TrueRecord]]:
    found: dict[str, list[TrueRecord]] = defaultdict(list)
    for record in records.values():
        found[record.relationships[relationship]].append(record)
    return found


def total(records: list[TrueRecord], attribute: str = "amount_cents") -> int:
    return sum(record.attributes[attribute] for record in records)


def test_every_table_holds_records_that_refer_to_live_ones(world: World) -> None:
    assert [name for name, table in world.tables.items() if not table.rows and name != "person_merger"] == []
    lost = Counter(
        (name, link)
        for name, table in world.tables.items()
        for row in table.rows.values()
        for link, declared in table.entity.relationships.items()
        if not world.is_mirror(table, link) and declared.target in world.tables
        for number in references(table, row, link)
        if not any(
            number in world.tables[target].rows for target in declared.targets.values() if target in world.tables
        )
    )
    assert lost == {}


def references(table: Table, row: Any, link: str) -> list[Any]:
    reference = table.reference(row, link)
    if isinstance(reference, list):
        return reference
    return [] if reference is None else [reference]


def test_parents_count_what_is_below_them(world: World) -> None:
    checked = set()
    for name, table in world.tables.items():
        parents, nested = world.parents(table), table.entity.nested
        count = count_name(table, parents) if parents else None
        if parents is None or nested is None or count is None:
            continue
        checked.add(name)
        below = {number: len(table.back[nested.under].get(number, ())) for number in parents.rows}
        assert {number: parents.value(row, count) for number, row in parents.rows.items()} == below, name
    assert "group_membership" in checked


def test_a_gift_is_the_sum_of_its_parts_and_a_batch_that_of_its_gifts(world: World) -> None:
    gifts = truth(world, "donation")
    parts = by(truth(world, "designation"), "donation")
    assert {i: gift.attributes["amount_cents"] for i, gift in gifts.items()} == {i: total(parts[i]) for i in gifts}
    assert {i: gift.attributes["fee_cents"] for i, gift in gifts.items()} == {
        i: total(parts[i], "fee_cents") for i in gifts
    }
    in_batch = by(gifts, "batch")
    batches = truth(world, "batch")
    assert {i: batch.attributes["total_cents"] for i, batch in batches.items()} == {
        i: total(in_batch[i]) for i in batches
    }
    for i, batch in batches.items():
        statuses = {gift.attributes["payment_status"] for gift in in_batch[i]}
        assert statuses <= ({"succeeded"} if batch.attributes["status"] == "committed" else {"pending"})
    assert {batch.attributes["status"] for batch in batches.values()} == {"committed", "updating", "in_progress"}
    assert len({len(found) for found in parts.values()}) == 3
    assert None in by(gifts, "person")


def test_refunds_are_negative_and_belong_to_refunded_gifts(world: World) -> None:
    gifts, refunds = truth(world, "donation"), truth(world, "refund")
    of_refund = by(truth(world, "designation_refund"), "refund")
    assert {one.relationships["donation"] for one in refunds.values()} == {
        i for i, gift in gifts.items() if gift.attributes["refunded"]
    }
    for i, refund in refunds.items():
        given = gifts[refund.relationships["donation"]].attributes["amount_cents"]
        assert -given <= refund.attributes["amount_cents"] == total(of_refund[i]) < 0


def test_counts_of_a_gathering_follow_from_its_check_ins(world: World) -> None:
    times, came = truth(world, "event_time"), by(truth(world, "check_in_time"), "event_time")
    check_ins = truth(world, "check_in")
    for i, time in times.items():
        kinds = Counter(one.attributes["kind"].lower() for one in came[i])
        assert {kind: time.attributes[f"{kind}_count"] for kind in ("regular", "guest", "volunteer")} == {
            kind: kinds[kind] for kind in ("regular", "guest", "volunteer")
        }
        people = [check_ins[one.relationships["check_in"]].relationships["person"] for one in came[i]]
        named = [person for person in people if person is not None]
        assert len(named) == len(set(named))
    assert None in by(check_ins, "person")


def test_members_and_visitors_attend_meetings_that_took_place(world: World) -> None:
    meetings, attendances = truth(world, "event"), by(truth(world, "attendance"), "event")
    assert attendances
    for i, records in attendances.items():
        meeting = meetings[i].attributes
        assert not meeting["canceled"]
        assert meeting["starts_at"] <= to_text(BASE_SECONDS)
        people = [one.relationships["person"] for one in records]
        assert len(people) == len(set(people))


def test_a_plan_is_as_long_as_its_items(world: World) -> None:
    plans, items = truth(world, "plan"), by(truth(world, "item"), "plan")
    assert {i: plan.attributes["total_length"] for i, plan in plans.items()} == {
        i: total(items[i], "length") for i in plans
    }
    assert len({plan.attributes["sort_date"] > to_text(BASE_SECONDS) for plan in plans.values()}) == 2


def test_data_of_every_type_belong_to_people_and_households(world: World) -> None:
    data, definitions = truth(world, "field_datum"), truth(world, "field_definition")
    kinds = {definitions[one.relationships["field_definition"]].attributes["data_type"] for one in data.values()}
    assert kinds == {"string", "text", "select", "checkboxes", "date", "number", "boolean", "file"}
    owners = {one.relationships["customizable"] for one in data.values()}
    people = set(truth(world, "person"))
    assert 0 < len(owners - people) < len(owners & people)
    assert any(one.attributes["deleted_at"] for one in definitions.values())


def test_the_same_arguments_make_the_same_church_and_another_day_moves_it(
    whole_manifest: Manifest, world: World
) -> None:
    again, later = (
        populate(whole_manifest, 120, 3, as_of) for as_of in (BASE_SECONDS, BASE_SECONDS + 70 * DAY_SECONDS)
    )
    for name, table in world.tables.items():
        assert list(truth_lines(again, again.tables[name])) == list(truth_lines(world, table)), name
    newest = "2026-06-01T00:00:00Z"
    assert all(gift.attributes["created_at"] < newest for gift in truth(world, "donation").values())
    assert any(gift.attributes["created_at"] > newest for gift in truth(later, "donation").values())


def fits(attribute: Attribute, value: Any) -> bool:
    """Return whether a value is one that the source would send for an attribute of this type."""
    kind = attribute.type
    if value is None or kind is AttributeType.JSON:
        return True
    if kind is AttributeType.PRIMARY_KEY:
        return isinstance(value, int if attribute.wire == "number" else str)
    if kind in (AttributeType.DATE_TIME, AttributeType.LOCAL_DATE_TIME):
        return isinstance(value, str) and value.endswith("Z") and to_seconds(value) is not None
    if kind is AttributeType.DATE:
        return isinstance(value, str) and len(value) == len("2026-06-01") and to_seconds(value) is not None
    types: dict[AttributeType, type | tuple[type, ...]] = {
        AttributeType.BOOLEAN: bool,
        AttributeType.INTEGER: int,
        AttributeType.FLOAT: str if attribute.wire == "string" else (int, float),
        AttributeType.ARRAY: list,
        AttributeType.STRING: str,
        AttributeType.CURRENCY: str,
    }
    return isinstance(value, types[kind]) and (kind is AttributeType.BOOLEAN or not isinstance(value, bool))


def test_values_are_of_the_types_that_the_manifest_names(world: World) -> None:
    wrong = Counter(
        (name, attribute)
        for name, table in world.tables.items()
        for row in table.rows.values()
        for attribute, place in table.position.items()
        if not fits(table.entity.attributes[attribute], row.values[place])
    )
    assert wrong == {}
