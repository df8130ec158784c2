"""What happens in a church reaches its rows by webhook: announced, received, read and stored.

The source announces to a receiver in a process of its own; the inbox is then processed as a run of the daemon does it.
How long that takes with everything running is measured by ``make bench``.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.event_names import announcements
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.ten_entities import SHIPPED
from openfaith_sync_tests.web.receiver import running_receiver
from openfaith_sync_tests.web.whole_church import WholeChurch, whole_church

ENTITIES = (
    *("field_definition", "field_datum", "list", "list_result"),
    *("donation", "designation", "refund", "designation_refund"),
    *("plan", "plan_person", "item", "item_note"),
    *("check_in", "check_in_time"),
)


@pytest.fixture(scope="module")
def church(module_database: Database) -> Iterator[WholeChurch]:
    with (
        whole_church(module_database, ENTITIES, 15) as found,
        running_receiver(module_database, manifests=str(SHIPPED)) as receiver,
    ):
        found.sync(SyncMode.FULL)
        report = found.subscribe(receiver.url)
        unselected = found.manifest.entities.keys() - set(found.entities)
        assert sorted(report.created) == sorted(announcements(found.manifest, unselected))
        assert found.differing(ENTITIES) == {}
        yield found


def first(church: WholeChurch, entity: str, **wanted: Any) -> Any:
    """Return the first record with these attributes and relationships."""
    found = church.simulator.truth(entity).values()
    return next(one for one in found if wanted.items() <= {**one.attributes, **one.relationships}.items())


def arrive(church: WholeChurch) -> None:
    """Wait for all deliveries, and process them in one run."""
    church.simulator.wait_delivered(30)
    found = church.read_inbox()
    assert (found.events > 0, found.waiting) == (True, 0)


def test_a_field_edit_and_a_box_that_is_ticked_and_unticked(church: WholeChurch) -> None:
    person = int(first(church, "person").id)
    text, boxes = (int(first(church, "field_definition", data_type=kind).id) for kind in ("string", "checkboxes"))
    church.simulator.act("edit_field", field_definition=text, owner=person, value="Seven")
    ticked = church.simulator.act("edit_field", field_definition=boxes, owner=person, value="Another")["id"]
    arrive(church)
    assert church.differing(["field_datum"]) == {}
    church.simulator.act("untick", field_datum=int(ticked))
    arrive(church)
    assert church.differing(["field_datum"]) == {}


def test_a_gift_its_refund_and_its_deletion_with_all_that_belongs_to_it(church: WholeChurch) -> None:
    funds = [int(fund) for fund in list(church.simulator.truth("fund"))[:2]]
    gift = int(church.simulator.act("give", parts=[[fund, 700 + fund % 7] for fund in funds])["id"])
    arrive(church)
    church.simulator.act("refund", donation=gift, cents=900)
    arrive(church)
    giving = ["donation", "designation", "refund", "designation_refund"]
    assert church.differing(giving) == {}
    church.simulator.act("void", donation=gift)
    arrive(church)
    assert church.differing(giving) == {}


def test_a_person_who_is_scheduled_and_items_that_are_added_edited_and_removed(church: WholeChurch) -> None:
    plan = int(max(church.simulator.truth("plan").values(), key=lambda one: one.attributes["sort_date"]).id)
    person, team = int(first(church, "person").id), int(first(church, "team").id)
    scheduled = church.simulator.act("schedule", plan=plan, person=person, team=team)["id"]
    item = church.simulator.act("add_item", plan=plan, title="Song", note="Softly")["id"]
    arrive(church)
    assert church.differing(["plan_person", "item", "item_note"]) == {}
    church.simulator.change("item", item, {"title": "Another song"})
    arrive(church)
    assert church.differing(["item"]) == {}
    church.simulator.act("unschedule", plan_person=int(scheduled))
    church.simulator.act("remove_item", item=int(item))
    arrive(church)
    assert church.differing(["plan_person", "item", "item_note"]) == {}


def test_a_list_that_is_refreshed(church: WholeChurch) -> None:
    people = [int(person) for person in list(church.simulator.truth("person"))[:5]]
    church.simulator.act("refresh_list", list=int(first(church, "list").id), people=people)
    arrive(church)
    assert church.differing(["list", "list_result"]) == {}


def test_a_check_in_which_nothing_announces_is_seen_by_the_next_poll(church: WholeChurch) -> None:
    assert not [name for name in announcements(church.manifest) if name.startswith("check_ins.")]
    event_time, person = list(church.simulator.truth("event_time"))[-1], first(church, "person").id
    church.simulator.act("check_in", event_time=int(event_time), person=int(person))
    church.sync(SyncMode.AUTO, ["check_in", "check_in_time"])
    assert church.differing(["check_in", "check_in_time"]) == {}
