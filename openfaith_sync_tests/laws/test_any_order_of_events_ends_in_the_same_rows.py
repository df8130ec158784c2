"""Law 7: every order of arrival, with a poll between any two, ends in the source's rows."""

from collections.abc import Iterator
from itertools import permutations

import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.inbox_case import Case, Cases, open_cases
from openfaith_sync_tests.laws.known_history import EMAIL, PERSON, State, announced, email, merger, person

CREATED, UPDATED, DESTROYED, MERGED = (
    EventAction.CREATED,
    EventAction.UPDATED,
    EventAction.DESTROYED,
    EventAction.MERGED,
)
KEPT = State().with_record(PERSON, person("9", 0, "Kept"))
HOME = KEPT.with_record(EMAIL, email("5", "1", 1))

LAGS = ("shows all", "keeps pace", "lags behind")
"""How soon the source shows what it announces."""
GAPS = (None, *range(6))

Told = tuple[InboxEvent, ...]
History = tuple[tuple[State, Told], ...]
"""What there is after each step, and what is announced of it."""


def lived(start: State, *versions: int) -> list[tuple[State, Told]]:
    """Return the steps of a record that comes and changes."""
    steps: list[tuple[State, Told]] = []
    for place, version in enumerate(versions):
        body = person("1", version)
        steps.append((start.with_record(PERSON, body), (announced(version, UPDATED if place else CREATED, body),)))
    return steps


def gone(start: State, second: int) -> tuple[State, Told]:
    return start, (announced(second, DESTROYED, person("1", second)),)


def merged(start: State, second: int) -> tuple[State, Told]:
    told = (announced(second, MERGED, merger("9", "1", second)), announced(second, DESTROYED, person("1", second)))
    return start.merged("9", "1", second), told


HISTORIES: dict[str, History] = {
    "changed and destroyed": (*lived(KEPT, 1, 2, 3, 4), gone(KEPT, 5)),
    "destroyed and back": (*lived(KEPT, 1, 2), gone(KEPT, 3), *lived(KEPT, 4, 5)),
    "changed and merged": (*lived(HOME, 1, 2, 3), merged(HOME, 4)),
}


@pytest.fixture(scope="module")
def cases(module_database: Database, pco_manifest: Manifest) -> Iterator[Cases]:
    with open_cases(module_database, pco_manifest) as opened:
        yield opened


def deliver(case: Case, arrivals: Told, lag: str, poll_after: int | None) -> None:
    """Store the events one by one, drain each at once, and poll after the given number of them."""
    steps = len(case.source.states) - 1
    for place in range(len(arrivals) + 1):
        case.source.reached = {
            "shows all": steps,
            "keeps pace": min(place + 1, steps),
            "lags behind": min(place, steps),
        }[lag]
        if place == poll_after:
            case.poll()
        if place < len(arrivals):
            case.receive(arrivals[place])
            case.drain()
    case.source.reached = steps
    case.drain_until_nothing_waits()


@pytest.mark.long
@pytest.mark.parametrize("name", HISTORIES)
def test_every_order_of_arrival_with_a_poll_between_any_two(cases: Cases, name: str) -> None:
    states = (HOME if "merged" in name else KEPT, *(state for state, _ in HISTORIES[name]))
    told = tuple(event for _, events in HISTORIES[name] for event in events)
    assert len(told) == 5
    tried = 0
    for number, arrivals in enumerate(permutations(told)):
        for gap, poll_after in enumerate(GAPS):
            # Every order meets a poll at every place, and every lag; every place meets every lag.
            lag = LAGS[(number + gap) % len(LAGS)]
            case = cases.of(*states)
            deliver(case, arrivals, lag, poll_after)
            told_so = (lag, poll_after, [event.event_id for event in arrivals], case.events())
            assert_true(case, told_so)
            tried += 1
    assert tried == 120 * len(GAPS)


def assert_true(case: Case, told_so: object) -> None:
    truth = case.source.states[-1]
    held = case.live(PERSON)
    # Nothing was announced of the record that is kept: it is held only where it was polled, or read after a merge.
    known = {number: row for number, row in held.items() if number == "1"}
    assert known == {
        number: (body["attributes"]["name"], None)
        for (entity, number), body in truth.records.items()
        if entity == PERSON and number == "1"
    }, told_so
    assert all(f"{held[number][0]}" == truth.records[PERSON, number]["attributes"]["name"] for number in held), told_so
    for number, (_, owner) in case.live(EMAIL).items():
        assert owner in {truth.records[EMAIL, number]["relationships"]["person"]["data"]["id"], None}, told_so
    is_merged = case.run(
        "SELECT count(*) FROM openfaith.people gone JOIN sync.redirects told"
        " ON (told.org_id, told.adapter, told.entity, told.external_id, told.survivor_entity_id)"
        "  = (gone.org_id, gone.adapter, gone.type, gone.external_id, gone.merged_into_id)"
        " WHERE gone.org_id = %s AND gone.external_id = '1' AND told.survivor_id = '9'"
    )[0][0]
    assert is_merged == bool(truth.mergers), told_so
