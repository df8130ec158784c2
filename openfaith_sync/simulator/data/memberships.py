"""Realistic memberships of households and groups, derived from the people and groups that exist."""

import random
from collections.abc import Iterator

from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.record_makers import NewRecord, id_sequence
from openfaith_sync.simulator.data.tables import Reference, Row, Table
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS, to_seconds, to_text

HOUSEHOLD_MEMBERSHIP, GROUP_MEMBERSHIP = "household_membership", "group_membership"
_PENDING_SHARE, _ROLE_SHARE, _SECOND_LEADER_SHARE = 0.03, 0.8, 0.4


def make_memberships(world: World, seed: int) -> Iterator[NewRecord]:
    """Yield one membership for each person that a household lists, and as many for each group as it counts."""
    tables = world.tables
    if {HOUSEHOLD_MEMBERSHIP, "household", "person"} <= tables.keys():
        yield from _household_memberships(tables["household"], tables["person"], seed)
    if {GROUP_MEMBERSHIP, "group", "person"} <= tables.keys():
        yield from _group_memberships(tables["group"], tables["person"], seed)


def _household_memberships(households: Table, people: Table, seed: int) -> Iterator[NewRecord]:
    rng = random.Random(f"{seed}:household memberships")  # noqa: S311  nothing secret
    ids = id_sequence(seed, HOUSEHOLD_MEMBERSHIP, len(people.rows))
    for household in households.rows.values():
        reference = households.reference(household, "people")
        members = [people.rows[number] for number in reference] if isinstance(reference, list) else []
        has_children = any(people.value(member, "child") for member in members)
        for member in members:
            attributes = {
                "household_role": _role(people, member, rng, has_children=has_children),
                "pending": rng.random() < _PENDING_SHARE,
                "person_name": people.value(member, "name"),
            }
            yield NewRecord(
                HOUSEHOLD_MEMBERSHIP, next(ids), attributes, {"household": household.id, "person": member.id}
            )


def _role(people: Table, member: Row, rng: random.Random, *, has_children: bool) -> str | None:
    # The attribute exists only since January 2026, so many memberships have none (docs/pco.md 5.3).
    if rng.random() >= _ROLE_SHARE:
        return None
    if people.value(member, "child"):
        return "child"
    return "parent_or_guardian" if has_children else "adult"


def _group_memberships(groups: Table, people: Table, seed: int) -> Iterator[NewRecord]:
    rng = random.Random(f"{seed}:group memberships")  # noqa: S311  nothing secret
    everyone = list(people.rows)
    counted = {group.id: int(groups.value(group, "memberships_count") or 0) for group in groups.rows.values()}
    counts = {number: min(count, len(everyone)) for number, count in counted.items()}
    ids = id_sequence(seed, GROUP_MEMBERSHIP, sum(counts.values()))
    for group in list(groups.rows.values()):
        founded = to_seconds(groups.value(group, "created_at")) or BASE_SECONDS
        leaders = 2 if rng.random() < _SECOND_LEADER_SHARE else 1
        for place, person in enumerate(rng.sample(everyone, counts[group.id])):
            joined = founded + int(rng.random() * (BASE_SECONDS - founded))
            attributes = {"joined_at": to_text(joined), "role": "leader" if place < leaders else "member"}
            links: dict[str, Reference] = {"group": group.id, "person": person}
            yield NewRecord(GROUP_MEMBERSHIP, next(ids), attributes, links)
        if counts[group.id] != counted[group.id]:
            # A very small church has fewer people than its groups were drawn to have.
            groups.change(group, {"memberships_count": counts[group.id]}, {})
