"""Random changes to a church, and how often each kind is made."""

import random
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data import word_lists as words
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.validation import find_twin
from openfaith_sync.simulator.life.random_actions import APP_CHANGES


def _any_id(church: SimulatedChurch, rng: random.Random, entity: str) -> int | None:
    if entity not in church.world.tables:
        return None
    rows = church.table(entity).index(())
    place = int(rng.random() * len(rows))
    return rows.ids(place, place + 1)[0] if len(rows) else None


def _change_person(church: SimulatedChurch, rng: random.Random) -> None:
    number = _any_id(church, rng, "person")
    if number is not None:
        church.change("person", number, {pick(rng, ("first_name", "middle_name")): pick(rng, words.FEMALE)})


def _change_child(church: SimulatedChurch, rng: random.Random) -> None:
    entity, attribute = pick(rng, (("email", "location"), ("address", "city"), ("phone_number", "location")))
    number = _any_id(church, rng, entity)
    if number is not None:
        church.change(entity, number, {attribute: f"{pick(rng, words.LOCATIONS)} {int(rng.random() * 100)}"})


def _create_person(church: SimulatedChurch, rng: random.Random) -> None:
    names = {"first_name": pick(rng, words.MALE), "last_name": pick(rng, words.LAST)}
    person = church.create("person", names, {})
    address = {"address": f"new{person.id}@example.org", "primary": True}
    church.create("email", address, {"person": person.id})


def _delete_child(church: SimulatedChurch, rng: random.Random) -> None:
    entity = pick(rng, ("email", "address", "phone_number"))
    number = _any_id(church, rng, entity)
    if number is not None:
        church.delete(entity, number)


def _delete_person(church: SimulatedChurch, rng: random.Random) -> None:
    number = _any_id(church, rng, "person")
    if number is not None:
        church.delete("person", number)


def _move_household(church: SimulatedChurch, rng: random.Random) -> None:
    person, household = _any_id(church, rng, "person"), _any_id(church, rng, "household")
    if person is not None:
        church.move("person", person, "households", household)


def _move_email(church: SimulatedChurch, rng: random.Random) -> None:
    email, person = _any_id(church, rng, "email"), _any_id(church, rng, "person")
    if email is not None and person is not None:
        church.move("email", email, "person", person)


def _merge(church: SimulatedChurch, rng: random.Random) -> None:
    keep, remove = _any_id(church, rng, "person"), _any_id(church, rng, "person")
    if keep is not None and remove is not None and keep != remove:
        church.merge(keep, remove)


def _create_household(church: SimulatedChurch, rng: random.Random) -> None:
    person = _any_id(church, rng, "person")
    if person is not None and "household" in church.world.tables:
        links = {"people": [], "primary_contact": person}
        household = church.create("household", {"name": f"{pick(rng, words.LAST)} Household"}, links)
        church.move("person", person, "households", household.id)


def _create_group(church: SimulatedChurch, rng: random.Random) -> None:
    if "group" in church.world.tables:
        group = church.create("group", {"name": _group_name(rng), "listed": True}, {"group_type": "unique"})
        for _ in range(int(rng.random() * 3)):
            _join(church, rng, group.id)


def _change_group(church: SimulatedChurch, rng: random.Random) -> None:
    group = _any_id(church, rng, "group")
    if group is not None:
        attribute, value = pick(rng, (("name", _group_name(rng)), ("schedule", pick(rng, words.SCHEDULES))))
        church.change("group", group, {attribute: value})


def _delete_group(church: SimulatedChurch, rng: random.Random) -> None:
    group = _any_id(church, rng, "group")
    if group is not None:
        church.delete("group", group)


def _join_group(church: SimulatedChurch, rng: random.Random) -> None:
    group = _any_id(church, rng, "group")
    if group is not None:
        _join(church, rng, group)


def _join(church: SimulatedChurch, rng: random.Random, group: int) -> None:
    person = _any_id(church, rng, "person")
    links = {"group": group, "person": person}
    if person is None or "group_membership" not in church.world.tables:
        return
    if find_twin(church.table("group_membership"), links) is None:
        church.create("group_membership", {"role": pick(rng, ("member", "member", "leader"))}, links)


def _leave_group(church: SimulatedChurch, rng: random.Random) -> None:
    membership = _any_id(church, rng, "group_membership")
    if membership is not None:
        church.delete("group_membership", membership)


def _change_membership(church: SimulatedChurch, rng: random.Random) -> None:
    membership = _any_id(church, rng, "group_membership")
    if membership is not None:
        church.change("group_membership", membership, {"role": pick(rng, ("member", "leader"))})


def _create_event(church: SimulatedChurch, rng: random.Random) -> None:
    group = _any_id(church, rng, "group")
    if group is not None and "event" in church.world.tables:
        attributes = {"name": pick(rng, words.EVENT_NAMES), "starts_at": church.now(), "ends_at": church.now()}
        church.create("event", attributes, {"group": group})


def _change_event(church: SimulatedChurch, rng: random.Random) -> None:
    event = _any_id(church, rng, "event")
    if event is not None:
        church.change("event", event, {"canceled": True, "canceled_at": church.now()})


def _group_name(rng: random.Random) -> str:
    return f"{pick(rng, words.GROUP_NAMES)} {int(rng.random() * 1000)}"


_MIX: tuple[tuple[str, int, Callable[[SimulatedChurch, random.Random], None]], ...] = (
    ("change person", 50, _change_person),
    ("change child", 20, _change_child),
    ("create person", 10, _create_person),
    ("delete child", 6, _delete_child),
    ("delete person", 4, _delete_person),
    ("move household", 4, _move_household),
    ("move e-mail", 3, _move_email),
    ("merge", 3, _merge),
    ("create household", 2, _create_household),
    ("join group", 8, _join_group),
    ("leave group", 5, _leave_group),
    ("change membership", 3, _change_membership),
    ("change group", 4, _change_group),
    ("create group", 2, _create_group),
    ("delete group", 1, _delete_group),
    ("create event", 4, _create_event),
    ("change event", 3, _change_event),
)


def apply_random_mutation(church: SimulatedChurch, rng: random.Random) -> str:
    """Make one random change, and return its name; what the drawn records do not allow is not done."""
    name, mutate = pick(rng, _weighed(frozenset(church.world.tables)))
    with suppress(UsageError):
        mutate(church, rng)
    return name


@lru_cache(maxsize=8)
def _weighed(entities: frozenset[str]) -> tuple[tuple[str, Callable[[SimulatedChurch, random.Random], object]], ...]:
    """Return each kind of change as often as it is to be drawn; an app that the manifest lacks changes nothing."""
    own = [(name, mutate) for name, weight, mutate in _MIX for _ in range(weight)]
    apps = [(one.name, one.make) for one in APP_CHANGES if one.needs <= entities for _ in range(one.weight)]
    return (*own, *apps)
