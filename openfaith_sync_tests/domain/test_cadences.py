"""How often each entity of an org is checked and compared."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.cadence_keys import Cadence, TimeWindow
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.cadences import cadence_of, list_positions
from openfaith_sync.domain.schedule.chosen_intervals import format_cadences, parse_cadences
from openfaith_sync.domain.schedule.comparisons import Compared, Night, NightsComparisons, plan_comparisons
from openfaith_sync.domain.schedule.due_work import ALL, WorkMode

DELTA, COMPARE, FULL = WorkMode.DELTA, WorkMode.RECONCILIATION, WorkMode.FULL
PERSON, EVENT, GROUP = EntityName("person"), EntityName("event"), EntityName("group")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NIGHT = Night(OrgId("grace"), datetime(2026, 3, 7, 2, tzinfo=UTC), "UTC")
WINDOW = TimeWindow(attribute="starts_at", from_days=-30)


def with_cadence(manifest: Manifest, entity: EntityName, **keys: Any) -> Entity:
    return manifest.entities[entity].model_copy(update={"cadence": Cadence(**keys)})


def compare(manifest: Manifest, last: Compared, **keys: Any) -> NightsComparisons:
    """Return what is compared of events alone."""
    event = with_cadence(manifest, EVENT, **keys)
    return plan_comparisons([event], {EVENT: 0}, {}, {EVENT: last}, NIGHT)


def ago(days: float) -> datetime:
    return NIGHT.begins - days * DAY


def test_what_an_org_sets_for_one_entity_goes_before_all_else(pco_manifest: Manifest) -> None:
    hourly = with_cadence(pco_manifest, PERSON, delta="1h", full="30d")
    assert cadence_of(hourly, {}).delta == HOUR
    assert cadence_of(hourly, {(ALL, DELTA): 5 * MINUTE, (PERSON, DELTA): MINUTE}).delta == MINUTE
    assert cadence_of(hourly, {(PERSON, DELTA): None}).delta is None
    assert cadence_of(hourly, {(PERSON, FULL): 7 * DAY}).full == 7 * DAY


@pytest.mark.parametrize(
    ("stated", "of_all", "expected"),
    [
        ("15m", 5 * MINUTE, 5 * MINUTE),
        ("15m", 2 * HOUR, 2 * HOUR),
        ("1h", 5 * MINUTE, HOUR),
        ("1h", 2 * HOUR, 2 * HOUR),
        ("never", 5 * MINUTE, None),
    ],
)
def test_what_an_org_sets_for_all_makes_no_slow_entity_faster(
    pco_manifest: Manifest, stated: str, of_all: timedelta, expected: timedelta | None
) -> None:
    assert cadence_of(with_cadence(pco_manifest, PERSON, delta=stated), {(ALL, DELTA): of_all}).delta == expected


def test_what_a_nightly_comparison_reads_whole_is_not_checked_for_changes_as_well(pco_manifest: Manifest) -> None:
    assert cadence_of(with_cadence(pco_manifest, GROUP, delta="1d"), {}).delta is None
    assert cadence_of(with_cadence(pco_manifest, GROUP, delta="7d", reconcile="7d"), {}).delta is None
    assert cadence_of(with_cadence(pco_manifest, GROUP, delta="1d", reconcile="7d"), {}).delta == DAY
    assert cadence_of(with_cadence(pco_manifest, GROUP, delta="12h"), {}).delta == 12 * HOUR
    assert cadence_of(with_cadence(pco_manifest, EVENT, delta="1d", reconcile_window=WINDOW), {}).delta == DAY
    # By id and version, a comparison does not read what changed.
    assert cadence_of(with_cadence(pco_manifest, PERSON, delta="1d"), {}).delta == DAY


def test_nested_entities_of_one_interval_stand_side_by_side(pco_manifest: Manifest) -> None:
    positions = list_positions(pco_manifest)
    assert sorted(positions.values()) == list(range(len(positions)))
    nested = [positions[name] for name, entity in pco_manifest.entities.items() if entity.nested]
    assert max(nested) - min(nested) == len(nested) - 1


def test_a_window_is_compared_each_night_and_everything_when_it_is_due(pco_manifest: Manifest) -> None:
    keys = {"reconcile": "1d", "full": "30d", "reconcile_window": WINDOW}
    usual = compare(pco_manifest, Compared(ago(1), ago(0.5), is_synced=True), **keys)
    assert (usual.entities, usual.windowed, usual.reread) == ([EVENT], [EVENT], [])
    missed = compare(pco_manifest, Compared(ago(1), ago(31), is_synced=True), **keys)
    assert (missed.entities, missed.windowed, missed.reread) == ([EVENT], [], [EVENT])
    assert compare(pco_manifest, Compared(ago(0), ago(1), is_synced=True), **keys).entities == []


def test_what_waits_is_compared_whatever_its_interval(pco_manifest: Manifest) -> None:
    assert compare(pco_manifest, Compared(ago(0), ago(0), is_synced=True), reconcile="30d").entities == []
    for last in (Compared(), Compared(ago(0), ago(0), is_synced=True, is_waiting=True)):
        assert compare(pco_manifest, last, reconcile="30d").entities == [EVENT]


def test_whole_records_are_read_once_a_week(pco_manifest: Manifest) -> None:
    assert compare(pco_manifest, Compared(ago(1), ago(6), is_synced=True)).reread == []
    assert compare(pco_manifest, Compared(ago(1), ago(7), is_synced=True)).reread == [EVENT]
    assert compare(pco_manifest, Compared(ago(1), None, is_synced=True)).reread == [EVENT]


def test_chosen_intervals_are_read_and_written_alike(pco_manifest: Manifest) -> None:
    chosen = parse_cadences(pco_manifest, "person=1h, group.reconcile=7d,event.full=never,campus=default")
    assert chosen.own == {(PERSON, DELTA): HOUR, (GROUP, COMPARE): 7 * DAY, (EVENT, FULL): None}
    assert chosen.usual == [(EntityName("campus"), DELTA)]
    written = {"event.full": "never", "group.reconcile": "7d", "person.delta": "1h"}
    assert format_cadences({**chosen.own, (ALL, DELTA): HOUR}) == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one"),
        ("person", "expected ENTITY=INTERVAL"),
        ("persons=1h", "no entity 'persons'"),
        ("person.often=1h", "person.delta, person.reconcile or person.full"),
        ("person=1", "an interval such as"),
        ("person=0m", "an interval such as"),
        ("person.reconcile=12h", "expected days"),
    ],
)
def test_what_is_no_interval_is_refused_by_name(pco_manifest: Manifest, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_cadences(pco_manifest, text)
