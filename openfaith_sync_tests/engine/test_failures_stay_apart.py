"""Law 6 within one run: what a failed entity stops, what it does not, and what is tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from openfaith_sync.domain.errors import DefinitionError, SyncError, TransientError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.passes.passes import Counts, PassResult, SyncMode
from openfaith_sync.engine.org_sync import EntityOutcome, sync_in_order

HARD: Mapping[str, Sequence[str]] = {"email": ["person"], "group_membership": ["group"], "note": ["email"]}
ORDER = ("campus", "person", "email", "note", "group", "group_membership")


@dataclass
class Entities:
    """Entities that fail as often as they are told to."""

    failing: dict[str, list[SyncError]] = field(default_factory=dict)
    unavailable: frozenset[str] = frozenset()
    tried: list[str] = field(default_factory=list)

    def sync(self, entity: EntityName) -> EntityOutcome:
        self.tried.append(entity)
        if entity in self.unavailable:
            return EntityOutcome(entity, error=DefinitionError("no scope"), is_unavailable=True)
        if self.failing.get(entity):
            return EntityOutcome(entity, error=self.failing[entity].pop(0))
        key = SyncKey(OrgId("grace"), AdapterName("pco"), entity)
        return EntityOutcome(entity, PassResult(key, SyncMode.FULL, Counts(), 1, 1, 1, 1, None, timedelta()))

    def run(self, retries: int = 0) -> dict[str, EntityOutcome]:
        left = [True] * retries

        def wait(failed: Sequence[EntityOutcome]) -> bool:
            assert failed
            return bool(left and left.pop())

        hard = {EntityName(name): frozenset(map(EntityName, on)) for name, on in HARD.items()}
        found = list(sync_in_order([EntityName(name) for name in ORDER], hard, self.sync, wait))
        assert sorted(outcome.entity for outcome in found) == sorted(ORDER)
        return {outcome.entity: outcome for outcome in found}


def failed(outcomes: Mapping[str, EntityOutcome]) -> set[str]:
    return {name for name, outcome in outcomes.items() if outcome.has_failed}


def test_a_failure_stops_only_what_hard_depends_on_it_at_any_distance() -> None:
    entities = Entities({"person": [DefinitionError("gone")]})
    found = entities.run(retries=3)
    assert failed(found) == {"person", "email", "note"}
    assert (found["email"].skipped_because, found["note"].skipped_because) == ("person", "email")
    assert entities.tried == ["campus", "person", "group", "group_membership"]


def test_what_failed_for_a_moment_is_tried_again_after_all_others_with_what_waits_for_it() -> None:
    entities = Entities({"person": [TransientError("away"), TransientError("away")]})
    found = entities.run(retries=2)
    assert failed(found) == set()
    assert entities.tried == ["campus", "person", "group", "group_membership", "person", "person", "email", "note"]


def test_what_no_retry_heals_is_not_tried_again_beside_what_one_does() -> None:
    entities = Entities({"campus": [DefinitionError("gone")], "group": [TransientError("away")]})
    found = entities.run(retries=1)
    assert failed(found) == {"campus"}
    assert entities.tried.count("campus") == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_end_and_the_failure_remains(retries: int) -> None:
    entities = Entities({"group": [TransientError("away")] * 9})
    found = entities.run(retries)
    assert failed(found) == {"group", "group_membership"}
    assert str(found["group"].error) == "away"
    assert entities.tried.count("group") == 1 + retries


def test_what_was_never_available_fails_nothing() -> None:
    found = Entities(unavailable=frozenset({"person"})).run()
    assert failed(found) == set()
    assert {name for name, one in found.items() if one.is_unavailable} == {"person", "email", "note"}


def test_a_failure_is_named_before_what_was_never_available() -> None:
    hard = {EntityName("note"): frozenset({EntityName("a"), EntityName("b")})}
    entities = Entities({"b": [DefinitionError("gone")]}, frozenset({"a"}))
    order = [EntityName(name) for name in ("a", "b", "note")]
    *_, note = sync_in_order(order, hard, entities.sync)
    assert (note.skipped_because, note.has_failed) == ("b", True)
