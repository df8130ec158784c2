"""Law 4: a comparison of a window says nothing of the records outside it, as they are stored."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.cadence_keys import Cadence, TimeWindow
from openfaith_sync.domain.passes.passes import Comparison, PassResult, SyncMode
from openfaith_sync_tests.laws.synced_church import GRACE, GROUP, PEOPLE, PERSON, Hiding, Synced
from openfaith_sync_tests.store.making import fetch, run

EVENT = EntityName("event")
WINDOWED = Comparison(is_windowed=True)


@dataclass
class Windowed:
    """A church of which half of the people were created within the window."""

    church: Synced
    begin: datetime
    inside: list[str]
    outside: list[str]

    def compare(self) -> PassResult:
        return self.church.sync(PERSON, comparison=WINDOWED)

    def delete(self, *people: str) -> None:
        for person in people:
            self.church.simulator.delete("person", person)

    def create_at(self, person: str, moment: datetime) -> None:
        """Change the attribute at the source, without a trace in the version."""
        self.church.simulator.change("person", person, {"created_at": f"{moment:%Y-%m-%dT%H:%M:%SZ}"})

    @property
    def live(self) -> set[str]:
        return self.church.live(PERSON)


@pytest.fixture
def windowed(synced: Callable[..., Synced]) -> Windowed:
    church = synced(PERSON)
    rows = fetch(church.database, "SELECT external_id, created_at FROM openfaith.people ORDER BY created_at")
    middle: datetime = rows[len(rows) // 2][1].astimezone(UTC)
    begin = middle.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (begin - datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)).days
    cadence = Cadence(full="30d", reconcile_window=TimeWindow(attribute="created_at", from_days=days))
    person = church.manifest.entities[PERSON].model_copy(update={"cadence": cadence})
    manifest = church.manifest.model_copy(update={"entities": {**church.manifest.entities, PERSON: person}})
    return Windowed(
        replace(church, manifest=manifest),
        begin,
        [one for one, created in rows if created >= begin],
        [one for one, created in rows if created < begin],
    )


def test_what_lies_outside_is_no_candidate_and_everything_finds_it(windowed: Windowed) -> None:
    windowed.delete(*windowed.inside[:4], *windowed.outside[:4])
    found = windowed.compare()
    assert found.counts.tombstoned == 4
    assert found.report["scope"] == "window"
    assert windowed.live == {*windowed.inside[4:], *windowed.outside}
    assert windowed.church.candidates() == 0
    compared = "SELECT compared_at IS NOT NULL, whole_at < compared_at FROM sync.checkpoints WHERE entity = 'person'"
    assert fetch(windowed.church.database, compared) == [(True, True)]
    assert windowed.church.sync(PERSON).counts.tombstoned == 4
    assert windowed.live == windowed.church.truth(PERSON)


def test_it_lists_only_the_window(windowed: Windowed) -> None:
    windowed.church.simulator.clear_requests()
    found = windowed.compare()
    assert found.report["listed"] == found.source_count == len(windowed.inside)
    listed = [one for one in windowed.church.simulator.requests() if one["path"] == "/people/v2/people"]
    assert listed
    begin = f"{windowed.begin:%Y-%m-%dT%H:%M:%SZ}"
    assert {one["query"].get("where[created_at][gte]") for one in listed} == {begin}


def test_what_moved_out_of_the_window_is_alive(windowed: Windowed) -> None:
    moved, gone = windowed.inside[0], windowed.inside[1]
    windowed.create_at(moved, windowed.begin - timedelta(days=1))
    windowed.delete(gone)
    found = windowed.compare()
    # Stored within the window and not listed there: read by its id, and kept.
    assert (found.report["missing"], found.counts.tombstoned) == (2, 1)
    assert moved in windowed.live
    assert windowed.compare().report["missing"] == windowed.church.candidates() == 0


def test_what_moved_into_the_window_is_stored_there(windowed: Windowed) -> None:
    moved = windowed.outside[0]
    windowed.create_at(moved, windowed.begin + timedelta(days=1))
    assert windowed.compare().counts.tombstoned == 0
    windowed.delete(moved)
    # It lies outside as long as it is stored so.
    run(windowed.church.database, "UPDATE openfaith.people SET created_at = %s WHERE external_id = %s",
        windowed.begin - timedelta(days=1), moved)  # fmt: skip
    assert windowed.compare().counts.tombstoned == 0
    assert moved in windowed.live


def test_the_boundary_belongs_to_the_window(windowed: Windowed) -> None:
    first, last = windowed.inside[0], windowed.outside[0]
    for person, moment in ((first, windowed.begin), (last, windowed.begin - timedelta(seconds=1))):
        windowed.create_at(person, moment)
        stored = "UPDATE openfaith.people SET created_at = %s WHERE external_id = %s"
        run(windowed.church.database, stored, moment, person)
    assert windowed.compare().report["missing"] == 0
    windowed.delete(first, last)
    assert windowed.compare().counts.tombstoned == 1
    assert (first in windowed.live, last in windowed.live) == (False, True)


def test_what_has_no_time_is_compared_with_everything_only(windowed: Windowed) -> None:
    timeless = windowed.inside[0]
    run(windowed.church.database, "UPDATE openfaith.people SET created_at = NULL WHERE external_id = %s", timeless)
    windowed.delete(timeless)
    assert windowed.compare().counts.tombstoned == 0
    assert timeless in windowed.live
    assert windowed.church.sync(PERSON).counts.tombstoned == 1


def test_a_window_does_not_clear_what_everything_found(windowed: Windowed) -> None:
    hidden = set(windowed.outside[:3])
    windowed.church.between = lambda source: Hiding(source, hidden)
    windowed.church.sync(PERSON)
    assert windowed.church.candidates() == 3
    windowed.church.between = lambda source: source
    for person in windowed.outside[:3]:
        windowed.delete(person)
    found = windowed.compare()
    # They are candidates still, so that they are read now, and are proven gone.
    assert found.counts.tombstoned == 3


def test_the_newest_version_may_lie_outside(windowed: Windowed) -> None:
    database, watermark = windowed.church.database, "SELECT watermark FROM sync.checkpoints WHERE entity = 'person'"
    windowed.church.simulator.change("person", windowed.outside[0], {"last_name": "Newest"})
    windowed.church.sync(PERSON, SyncMode.DELTA)
    before = fetch(database, watermark)
    windowed.compare()
    assert fetch(database, watermark) == before


def test_so_many_gone_from_the_window_wait_for_a_person(windowed: Windowed) -> None:
    gone = windowed.inside[: PEOPLE // 12]
    assert len(gone) < PEOPLE / 10 < len(gone) * PEOPLE / len(windowed.inside)
    windowed.delete(*gone)
    with pytest.raises(SafetyStop):
        windowed.compare()
    assert windowed.live >= set(gone)


def test_an_interrupted_comparison_goes_on_with_the_same_window(windowed: Windowed) -> None:
    run(
        windowed.church.database,
        """INSERT INTO sync.passes (org_id, adapter, entity, mode, trigger, manifest_version, place, report)
           VALUES (%s, 'pco', 'person', 'reconciliation', 'test', %s, '{"slices": [{}], "resumed_at": null}', %s)""",
        GRACE,
        windowed.church.manifest.entity_fingerprint(PERSON),
        '{"scope": "window", "window_attribute": "created_at", "window_begin": "2999-01-01T00:00:00+00:00",'
        ' "window_end": null}',
    )
    windowed.delete(windowed.inside[0], windowed.outside[0])
    # Nothing lies in that window; what is asked for now is compared after it.
    found = windowed.church.sync(PERSON)
    assert found.counts.tombstoned == 2
    assert windowed.live == windowed.church.truth(PERSON)


def test_a_check_for_changes_lists_its_window_only(synced: Callable[..., Synced]) -> None:
    church = synced(GROUP, EVENT)
    today = datetime.now(UTC)
    near, far = sorted(church.truth(EVENT), key=int)[:2]
    for event, days in ((near, 3), (far, 300)):
        church.simulator.change("event", event, {"starts_at": f"{today + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"})
    cadence = Cadence(delta_window=TimeWindow(attribute="starts_at", from_days=-2, to_days=30))
    meetings = church.manifest.entities[EVENT].model_copy(update={"cadence": cadence})
    church.manifest = church.manifest.model_copy(update={"entities": {**church.manifest.entities, EVENT: meetings}})
    church.simulator.clear_requests()
    live = church.live(EVENT)
    found = church.sync(EVENT, SyncMode.AUTO)
    assert (found.mode, found.counts.updated) == (SyncMode.DELTA, 1)
    assert church.live(EVENT) == live
    listed = [one["query"] for one in church.simulator.requests() if one["path"] == "/groups/v2/events"]
    sides = {(query["where[starts_at][gte]"], query["where[starts_at][lt]"]) for query in listed}
    (bounds,) = ([(datetime.fromisoformat(at) - today).days for at in side] for side in sides)
    assert bounds == [-3, 29]
    assert church.sync(EVENT, SyncMode.FULL).counts.updated == 1
