"""What happens in the apps of a church: which records follow, which stamps move, and which events tell of it."""

from collections.abc import Callable
from typing import Any

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.data.apps.population import populate
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.tables import Row
from openfaith_sync.simulator.events.event_payloads import EventNames
from openfaith_sync.simulator.life.mutations import Act, Random
from openfaith_sync_tests.ten_entities import SHIPPED

Heard = list[tuple[str, str]]


@pytest.fixture(scope="module")
def whole_manifest() -> Manifest:
    return read_manifest(SHIPPED, "pco")


@pytest.fixture(scope="module")
def church(whole_manifest: Manifest) -> SimulatedChurch:
    return SimulatedChurch(populate(whole_manifest, 40, seed=4))


@pytest.fixture
def heard(church: SimulatedChurch) -> Heard:
    """Return the changes that are announced from now on, as pairs of action and entity."""
    found: Heard = []
    church.announce = lambda action, table, _row: found.append((action, table.entity.name))
    return found


@pytest.fixture
def act(church: SimulatedChurch) -> Callable[..., int]:
    def do(action: str, **parameters: Any) -> int:
        return int(Act(action=action, parameters=parameters).apply(church)["id"])

    return do


def rows(church: SimulatedChurch, entity: str) -> list[Row]:
    if entity not in church.world.tables:
        pytest.skip(f"no module of the manifest has {entity}")
    return list(church.table(entity).rows.values())


def value(church: SimulatedChurch, entity: str, number: int, name: str) -> Any:
    return church.table(entity).value(church.row(entity, number), name)


def below(church: SimulatedChurch, entity: str, link: str, number: int) -> list[Row]:
    table = church.table(entity)
    return [table.rows[one] for one in table.back[link].get(number, ())]


def check_books(church: SimulatedChurch) -> None:
    """Check that every gift is the sum of its parts, every batch that of its gifts, every refund that of its parts."""
    for entity, link, parent, sum_name in (
        ("designation", "donation", "donation", "amount_cents"),
        ("donation", "batch", "batch", "total_cents"),
        ("designation_refund", "refund", "refund", "amount_cents"),
    ):
        parts = church.table(entity)
        for row in rows(church, parent):
            found = sum(parts.value(part, "amount_cents") for part in below(church, entity, link, row.id))
            assert church.table(parent).value(row, sum_name) == found, (parent, row.id)


def test_a_refund_is_borne_by_each_fund_to_the_cent(
    church: SimulatedChurch, act: Callable[..., int], heard: Heard
) -> None:
    funds = [row.id for row in rows(church, "fund")[:3]]
    gift = act("give", parts=[[funds[0], 3333], [funds[1], 3333], [funds[2], 3334]], person=None)
    assert heard[0] == ("created", "donation")
    stamp, heard[:] = value(church, "donation", gift, "updated_at"), []
    refund = act("refund", donation=gift, cents=1001)
    parts = below(church, "designation_refund", "refund", refund)
    amounts = [church.table("designation_refund").value(part, "amount_cents") for part in parts]
    assert amounts == [-333, -333, -335]
    assert value(church, "refund", refund, "amount_cents") == -1001
    assert value(church, "donation", gift, "refunded") is True
    assert value(church, "donation", gift, "updated_at") == stamp
    assert ("updated", "donation") in heard
    with pytest.raises(UsageError, match="once"):
        act("refund", donation=gift)
    act("void", donation=gift)
    assert refund not in church.table("refund").rows
    check_books(church)


def test_a_first_gift_makes_a_donor(church: SimulatedChurch, act: Callable[..., int], heard: Heard) -> None:
    fund, person = rows(church, "fund")[0].id, rows(church, "giving_person")[0].id
    church.change("giving_person", person, {"first_donated_at": None}, touch=False)
    for _ in range(2):
        act("give", parts=[[fund, 100]], person=person)
    assert value(church, "giving_person", person, "first_donated_at") is not None
    assert heard.count(("first_donated", "giving_person")) == 1


def test_a_batch_is_committed_in_one_second_and_gifts_move_between_batches(
    church: SimulatedChurch, act: Callable[..., int]
) -> None:
    table, fund = church.table("batch") if "batch" in church.world.tables else None, rows(church, "fund")[0].id
    assert table is not None
    one, two = (church.create("batch", {"status": "in_progress"}, {}).id for _ in range(2))
    gifts = [act("give", parts=[[fund, 500]], batch=one) for _ in range(3)]
    assert value(church, "batch", one, "total_cents") == 1500
    act("move_gift", donation=gifts[0], batch=two)
    assert (value(church, "batch", one, "total_cents"), value(church, "batch", two, "total_cents")) == (1000, 500)
    act("commit_batch", batch=one, gifts=1)
    assert value(church, "batch", one, "status") == "updating"
    act("commit_batch", batch=one)
    assert value(church, "batch", one, "status") == "committed"
    assert {value(church, "donation", gift, "payment_status") for gift in gifts[1:]} == {"succeeded"}
    check_books(church)


def test_a_field_is_edited_without_a_stamp_on_its_person(
    church: SimulatedChurch, act: Callable[..., int], heard: Heard
) -> None:
    fields = {
        church.table("field_definition").value(row, "data_type"): row.id for row in rows(church, "field_definition")
    }
    person = rows(church, "person")[0].id
    stamp = value(church, "person", person, "updated_at")
    datum = act("edit_field", field_definition=fields["string"], owner=person, value="300")
    act("edit_field", field_definition=fields["string"], owner=person, value="301")
    assert value(church, "field_datum", datum, "value") == "301"
    ticked = [act("edit_field", field_definition=fields["checkboxes"], owner=person, value=box) for box in "AB"]
    assert len(set(ticked)) == 2
    act("untick", field_datum=ticked[0])
    assert ticked[0] not in church.table("field_datum").rows
    assert value(church, "person", person, "updated_at") == stamp
    assert {entity for _, entity in heard} == {"field_datum"}
    assert {action for action, _ in heard} >= {"created", "updated", "destroyed"}


def test_a_person_is_stamped_for_a_contact_and_not_for_a_note(church: SimulatedChurch) -> None:
    person, author = (row.id for row in rows(church, "person")[:2])
    category = rows(church, "note_category")[0].id
    old = "2020-01-01T00:00:00Z"
    church.change("person", person, {"updated_at": old})
    links = {"person": person, "created_by": author, "note_category": category}
    church.create("note", {"note": "Called."}, {n: to for n, to in links.items() if n in church.table("note").links})
    assert value(church, "person", person, "updated_at") == old
    church.create("email", {"address": "new@example.org"}, {"person": person})
    assert value(church, "person", person, "updated_at") > old


def test_a_refreshed_list_holds_these_people_and_keeps_its_stamp(
    church: SimulatedChurch, act: Callable[..., int], heard: Heard
) -> None:
    number, people = rows(church, "list")[0].id, [row.id for row in rows(church, "person")[:4]]
    stamp = value(church, "list", number, "updated_at")
    act("refresh_list", list=number, people=people)
    act("refresh_list", list=number, people=people[1:])
    table = church.table("list_result")
    assert {table.reference(row, "person") for row in below(church, "list_result", "list", number)} == set(people[1:])
    assert value(church, "list", number, "total_people") == 3
    assert value(church, "list", number, "updated_at") == stamp
    assert heard.count(("refreshed", "list")) == 2
    assert ("destroyed", "list_result") in heard


def test_check_ins_are_counted_at_their_time(church: SimulatedChurch, act: Callable[..., int], heard: Heard) -> None:
    time, person = rows(church, "event_time")[-1].id, rows(church, "person")[0].id
    before = value(church, "event_time", time, "volunteer_count")
    number = act("check_in", event_time=time, person=person, kind="Volunteer")
    assert value(church, "event_time", time, "volunteer_count") == before + 1
    assert value(church, "check_in", number, "checked_out_at") is None
    act("check_out", check_in=number)
    assert value(church, "check_in", number, "checked_out_at") == value(church, "check_in", number, "updated_at")
    act("remove_check_in", check_in=number)
    assert value(church, "event_time", time, "volunteer_count") == before
    assert below(church, "check_in_time", "check_in", number) == []
    assert {"event_time", "event_period"}.isdisjoint(entity for _, entity in heard)


def test_a_plan_is_deaf_to_its_people_and_notes(church: SimulatedChurch, act: Callable[..., int], heard: Heard) -> None:
    plan, person = rows(church, "plan")[-1].id, rows(church, "person")[0].id
    stamp, count = (value(church, "plan", plan, name) for name in ("updated_at", "plan_people_count"))
    number = act("schedule", plan=plan, person=person, team=rows(church, "team")[0].id)
    assert value(church, "plan", plan, "plan_people_count") == count + 1
    assert ("updated", "plan") in heard
    times = below(church, "plan_person_time", "plan_person", number)
    assert len(times) == len(below(church, "plan_time", "plan", plan)) > 0
    heard.clear()
    act("answer", plan_person=number, status="D")
    assert {church.table("plan_person_time").value(time, "status") for time in times} == {"D"}
    act("add_plan_note", plan=plan, content="Water for the speaker.")
    act("add_item", plan=plan, title="Extra", length=60)
    assert ("updated", "plan") not in heard
    assert value(church, "plan", plan, "updated_at") == stamp
    act("go_live", plan=plan)
    assert ("live.updated", "plan") in heard
    act("unschedule", plan_person=number)
    assert value(church, "plan", plan, "plan_people_count") == count


def test_a_meeting_has_a_row_for_each_member(church: SimulatedChurch, act: Callable[..., int]) -> None:
    members = church.table("group_membership")
    group = next(row.id for row in rows(church, "group") if below(church, "group_membership", "group", row.id))
    rows(church, "attendance")
    event = church.create("event", {"name": "Potluck"}, {"group": group}).id
    expected = [members.reference(row, "person") for row in below(church, "group_membership", "group", group)]
    act("hold_meeting", event=event, present=expected[:1])
    act("hold_meeting", event=event, present=expected[:2])
    table = church.table("attendance")
    came = {
        table.reference(row, "person"): table.value(row, "attended")
        for row in below(church, "attendance", "event", event)
    }
    assert came == {person: person in expected[:2] for person in expected}


@pytest.mark.parametrize("entity", ["group", "event", "calendar_event"])
def test_what_refers_to_a_deleted_record_in_two_ways_is_deleted_once(whole_manifest: Manifest, entity: str) -> None:
    church = SimulatedChurch(populate(whole_manifest, 12, seed=4))
    for row in rows(church, entity):
        if row.id in church.table(entity).rows:
            church.delete(entity, row.id)
    assert not church.table(entity).rows


def test_long_random_times_keep_the_books(church: SimulatedChurch) -> None:
    rows(church, "donation")
    done = Random(changes=400, seed=5).apply(church)["done"]
    assert {"give", "refund", "void", "split", "move gift", "commit batch"} <= set(done)
    check_books(church)


def test_an_unknown_action_or_parameter_is_named(church: SimulatedChurch) -> None:
    with pytest.raises(UsageError, match="no action 'pray'; the known ones: give"):
        Act(action="pray").apply(church)
    with pytest.raises(UsageError, match="takes no loudly"):
        Act(action="archive_group", parameters={"loudly": True}).apply(church)


def test_every_event_that_the_manifest_names_tells_of_some_change(church: SimulatedChurch) -> None:
    names = EventNames(church.world.tables.values())
    actions = (
        "created",
        "updated",
        "destroyed",
        "refreshed",
        "step_ready",
        "approved",
        "live.updated",
        "first_donated",
    )
    told = {names.name_of(action, table) for action in actions for table in church.world.tables.values()}
    assert set(names.known) - told == set()
