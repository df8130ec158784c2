"""Law 5: whatever is wrong with one record, and wherever it is shown, it costs that record and no other."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass, replace

import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.damages import DAMAGES, Cost, Damage, child_of
from openfaith_sync_tests.laws.hostile_case import ENTITIES, HostileCase, HostileCases, open_hostile_cases
from openfaith_sync_tests.laws.hostile_church import Harm, HostileChurch, Record, Where, render

VICTIM = ("Person", "6")
CHILDREN = {"Email": "106", "Address": "106", "PhoneNumber": "306"}


@pytest.fixture(scope="module")
def cases(module_database: Database, pco_manifest: Manifest) -> Iterator[HostileCases]:
    with open_hostile_cases(module_database, pco_manifest) as opened:
        yield opened


def expected_at(case: HostileCase, damage: Damage, record: Record, where: Where) -> Cost:
    cost = damage.expected_of(case.manifest, record[0])
    if where == "included" and damage.name.startswith(("type: ", "row: ")) and cost is Cost.RECORD:
        # What names no type is nobody's child; then the children's own listing brings the record.
        return Cost.NOTHING
    return cost


def assert_cost(case: HostileCase, record: Record, cost: Cost) -> None:
    entity = ENTITIES[record[0]]
    is_stored = record[1] in case.rows(record[0])
    set_aside = [of for of, _ in case.dead_letters()]
    warnings = case.reported("unreadable_values")
    match cost:
        case Cost.NOTHING:
            assert (is_stored, set_aside, warnings) == (True, [], 0)
        case Cost.WARNING:
            assert (is_stored, set_aside, warnings) == (True, [], 1)
        case Cost.RECORD:
            assert (is_stored, set_aside, warnings) == (False, [entity], 0)


@pytest.mark.parametrize("where", ["listing", "included"])
@pytest.mark.parametrize("name", DAMAGES)
def test_in_a_page_it_costs_one_record(cases: HostileCases, name: str, where: Where) -> None:
    damage = DAMAGES[name]
    kind = "Person" if where == "listing" else child_of(damage)
    record = VICTIM if where == "listing" else (kind, CHILDREN[kind])
    church = HostileChurch()
    church.harms = [Harm(damage, record, (where,))]
    with cases.of(church) as case:
        outcomes = case.sync()
        assert [f"{outcome.entity}: {outcome.error!r}" for outcome in outcomes if outcome.error] == []
        assert not [one.entity for one in outcomes if one.result is None or "filter_ignored" in one.result.report]
        case.assert_safe(outcomes)
        assert case.wrong(ignoring=[record]) == {}
        assert_cost(case, record, expected_at(case, damage, record, where))
        case.assert_heals(is_held_newer=damage.is_newer)


@dataclass(frozen=True, slots=True)
class Left:
    """What a drain of the inbox left behind, where each damage happened to another record."""

    case: HostileCase
    wrong: Mapping[Record, str]
    dead: AbstractSet[tuple[str, str]]
    outcomes: Mapping[str, str]


STORED = {"stored", "stored as the source shows it"}
NUMBERS = {name: 3 * place for place, name in enumerate(DAMAGES, 1)}
"""The person that each damage happens to; the two before are its neighbours."""


def event(number: int, payload: bytes) -> bytes:
    quoted = payload.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    name = b"people.v2.events.person.updated"
    return b'{"type":"EventDelivery","id":"%d","attributes":{"name":"%b","payload":"%b"}}' % (number, name, quoted)


def announce(case: HostileCase, numbers: Iterable[int], damage: Damage | None = None) -> None:
    """Deliver events of these people in one body, each as the source shows its person, or with a damage."""
    bodies = []
    for number in numbers:
        resource = deepcopy(case.church.records["Person", str(number)])
        shown = damage.on(resource) if damage and number % 3 != 1 else resource
        content = render({"data": shown}, [replace(damage, whole=None)] if damage else ())
        bodies.append(event(number, content))
    body = b'{"data":[%b]}' % b",".join(bodies)
    case.deliver(damage.whole(body) if damage and damage.whole else body)


def left_behind(case: HostileCase) -> Left:
    case.assert_safe()
    return Left(case, case.wrong(), case.dead_letters(), case.outcomes())


@pytest.fixture(scope="module")
def read_alone(cases: HostileCases) -> Iterator[Left]:
    church = HostileChurch(3 * len(DAMAGES))
    church.harms = [Harm(DAMAGES[name], ("Person", str(number)), ("single",)) for name, number in NUMBERS.items()]
    with cases.of(church, page=100) as case:
        announce(case, range(1, 3 * len(DAMAGES) + 1))
        case.drain()
        yield left_behind(case)


@pytest.mark.parametrize("name", DAMAGES)
def test_read_alone_it_costs_one_record(read_alone: Left, name: str) -> None:
    number, cost = NUMBERS[name], DAMAGES[name].expected_of(read_alone.case.manifest, "Person")
    outcome, wrong = read_alone.outcomes.get(str(number), "waits"), read_alone.wrong.get(("Person", str(number)), "")
    for neighbour in (number - 1, number - 2):
        assert ("Person", str(neighbour)) not in read_alone.wrong
        assert read_alone.outcomes[str(neighbour)] == "stored"
    if name == "row: null":
        # An answer without a record is no record; it is asked for again later.
        assert (outcome, wrong) == ("waits", "is missing")
        return
    assert (("person", str(number)) in read_alone.dead) is (cost is Cost.RECORD)
    assert (wrong == "is missing") is (cost is Cost.RECORD)
    assert outcome in ({"set aside as a dead letter"} if cost is Cost.RECORD else STORED)


def test_after_damaged_single_reads_a_full_sync_ends_in_the_sources_rows(read_alone: Left) -> None:
    read_alone.case.assert_heals(is_held_newer=True)


@pytest.fixture(scope="module")
def told_wrongly(cases: HostileCases) -> Iterator[Left]:
    """Of three people in one body, the last two are damaged there, and the last may not be read."""
    church = HostileChurch(3 * len(DAMAGES))
    church.denied = frozenset(("Person", str(number)) for number in NUMBERS.values())
    with cases.of(church, page=100) as case:
        for name, number in NUMBERS.items():
            announce(case, (number - 2, number - 1, number), DAMAGES[name])
        case.drain()
        yield left_behind(case)


@pytest.mark.parametrize("name", DAMAGES)
def test_in_a_webhook_it_costs_no_other_event(told_wrongly: Left, name: str) -> None:
    number, damage = NUMBERS[name], DAMAGES[name]
    outcomes, wrong = told_wrongly.outcomes, told_wrongly.wrong
    assert ("Person", str(number - 2)) not in wrong
    assert outcomes[str(number - 2)] == "stored"
    cost = damage.expected_of(told_wrongly.case.manifest, "Person")
    if name.startswith(("id: ", "row: ")) and cost is Cost.RECORD:
        # Nobody can say whom it is of; it is kept as it came.
        assert not {str(number), str(number - 1)} & outcomes.keys()
        return
    assert ("Person", str(number - 1)) not in wrong
    is_readable = cost is not Cost.RECORD or name == "type: another"
    assert outcomes[str(number)] == (
        "stored as the event shows it" if is_readable else "waits for reconciliation: the token may not read it"
    )
    assert (wrong.get(("Person", str(number))) == "is missing") is not is_readable


def test_what_no_event_could_say_is_kept(told_wrongly: Left) -> None:
    kept = [outcome for event_id, outcome in told_wrongly.outcomes.items() if event_id.startswith("unreadable:")]
    nameless = [name for name in DAMAGES if name.startswith(("id: ", "row: ")) and name != "id: a number"]
    assert len(kept) == 2 * len(nameless)


def test_after_damaged_webhooks_a_full_sync_ends_in_the_sources_rows(told_wrongly: Left) -> None:
    told_wrongly.case.assert_heals(is_held_newer=True)
