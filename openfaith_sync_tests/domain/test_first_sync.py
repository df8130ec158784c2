"""How far a first sync is: what is complete, what is left, and how long that takes at the connection's pace."""

from dataclasses import replace

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.deletions import DeletionCheck, DeletionLimits
from openfaith_sync.domain.passes.first_sync import FirstSync
from openfaith_sync.domain.passes.passes import Checkpoint, Counts, OpenPass, PassId, PassStart, SyncMode
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.domain.planning.entity_facts import EntityFacts, NestedFacts
from openfaith_sync.domain.planning.first_sync import judge_first_sync
from openfaith_sync.domain.planning.run_time import Pace
from openfaith_sync_tests.domain.church import manifest
from openfaith_sync_tests.store.making import NOON

PACE = Pace(limit=100, period=20.0)
PERSON, GROUP, MEMBERSHIP = EntityName("person"), EntityName("group"), EntityName("group_membership")
COMPLETE = Checkpoint(completed_at=NOON, manifest_version="m1")


def synced(records: int) -> EntityFacts:
    return EntityFacts(checkpoint=COMPLETE, check=DeletionCheck(missing=0, live=records, limits=DeletionLimits()))


def under_way(read: int, remaining: int | None, requests: int) -> EntityFacts:
    start = PassStart(SyncMode.FULL, "test", "m1")
    place = WalkPlace((Slice(remaining=remaining),))
    opened = OpenPass(PassId(1), start, place, Counts(created=read), requests, requests, None)
    return EntityFacts(checkpoint=Checkpoint(open_pass=opened))


def judge(**known: EntityFacts) -> FirstSync | None:
    facts = {name: known.get(name, synced(100)) for name in manifest().graph.entities}
    return judge_first_sync(manifest(), facts, PACE)


def test_when_all_is_complete_there_is_no_first_sync() -> None:
    assert judge() is None


def test_what_is_under_way_or_below_stored_parents_is_counted_and_takes_its_periods() -> None:
    # 5,000 records are 50 pages and the newest version, of which 20 were read; of 700 lists, 40 were.
    below = replace(under_way(900, None, 40), nested=NestedFacts((30,) * 40))
    found = judge(household=under_way(2_000, 3_000, 20), group=synced(700), group_membership=below)
    assert found is not None
    assert (found.done, found.entities, found.unknown) == (8, 10, 0)
    assert found.requests == 1 + 30 + 660
    # 691 requests at 100 in 20 s.
    assert 120 <= found.seconds <= 140
    assert str(found) == ("first sync: 8 of 10 entities; 691 requests left, which take about 2 min")


def test_what_nothing_shows_the_size_of_is_said_to_be_unknown() -> None:
    found = judge(person=EntityFacts(), group=EntityFacts(), group_membership=EntityFacts())
    assert found is not None
    assert (found.done, found.requests, found.unknown) == (7, 3, 3)
    assert "at least 3 requests left, which take at least 1 min" in str(found)


def test_what_may_not_be_read_is_not_waited_for() -> None:
    assert judge(person=EntityFacts(refusal="not available")) is None
