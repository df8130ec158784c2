"""Happenings: what the control surface can let happen, one by one or at random."""

import random
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from openfaith_sync.simulator import words
from openfaith_sync.simulator.church import Church
from openfaith_sync.simulator.records import pick

Json = dict[str, Any]


class _Happening(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Create(_Happening):
    """A record comes."""

    do: Literal["create"] = "create"
    entity: str
    attributes: Json = Field(default_factory=dict)
    relationships: Json = Field(default_factory=dict)

    def apply(self, church: Church) -> Json:
        """Let it happen, and say what came of it."""
        return {"id": str(church.create(self.entity, self.attributes, self.relationships).id)}


class Change(_Happening):
    """A record changes; without ``touch`` its stamps do not."""

    do: Literal["change"] = "change"
    entity: str
    id: int
    attributes: Json = Field(default_factory=dict)
    relationships: Json = Field(default_factory=dict)
    touch: bool = True

    def apply(self, church: Church) -> Json:
        """Let it happen, and say what came of it."""
        church.change(self.entity, self.id, self.attributes, self.relationships, touch=self.touch)
        return {"id": str(self.id)}


class Delete(_Happening):
    """A record goes, and what cannot be without it."""

    do: Literal["delete"] = "delete"
    entity: str
    id: int

    def apply(self, church: Church) -> Json:
        """Let it happen, and say what came of it."""
        church.delete(self.entity, self.id)
        return {"id": str(self.id)}


class Merge(_Happening):
    """Two people become one."""

    do: Literal["merge"] = "merge"
    keep: int
    remove: int

    def apply(self, church: Church) -> Json:
        """Let it happen, and say what came of it."""
        church.merge(self.keep, self.remove)
        return {"id": str(self.keep)}


class Move(_Happening):
    """A record belongs to another one."""

    do: Literal["move"] = "move"
    entity: str
    id: int
    relationship: str
    to: int | None
    touch: bool = True

    def apply(self, church: Church) -> Json:
        """Let it happen, and say what came of it."""
        church.move(self.entity, self.id, self.relationship, self.to, touch=self.touch)
        return {"id": str(self.id)}


class Random(_Happening):
    """So many things happen, as this seed has it."""

    do: Literal["random"] = "random"
    changes: int = Field(ge=0)
    seed: int = 1

    def apply(self, church: Church) -> Json:
        """Let it happen, and say what came of it."""
        rng = random.Random(f"{self.seed}:happenings")  # noqa: S311  nothing secret
        return {"done": [name for _ in range(self.changes) for name in _happen(church, rng)]}


Happening = Annotated[Create | Change | Delete | Merge | Move | Random, Field(discriminator="do")]


class ScriptPart(_Happening):
    """What happens just before the n-th request from now on is answered."""

    at_request: int = Field(ge=1)
    actions: list[Happening]


def _any_id(church: Church, rng: random.Random, entity: str) -> int | None:
    rows = church.table(entity).index(())
    place = int(rng.random() * len(rows))
    return rows.ids(place, place + 1)[0] if len(rows) else None


def _change_person(church: Church, rng: random.Random) -> None:
    number = _any_id(church, rng, "person")
    if number is not None:
        church.change("person", number, {pick(rng, ("first_name", "middle_name")): pick(rng, words.FEMALE)})


def _change_child(church: Church, rng: random.Random) -> None:
    entity, attribute = pick(rng, (("email", "location"), ("address", "city"), ("phone_number", "location")))
    number = _any_id(church, rng, entity)
    if number is not None:
        church.change(entity, number, {attribute: f"{pick(rng, words.LOCATIONS)} {int(rng.random() * 100)}"})


def _create_person(church: Church, rng: random.Random) -> None:
    names = {"first_name": pick(rng, words.MALE), "last_name": pick(rng, words.LAST)}
    person = church.create("person", names, {})
    address = {"address": f"new{person.id}@example.org", "primary": True}
    church.create("email", address, {"person": person.id})


def _delete_child(church: Church, rng: random.Random) -> None:
    entity = pick(rng, ("email", "address", "phone_number"))
    number = _any_id(church, rng, entity)
    if number is not None:
        church.delete(entity, number)


def _delete_person(church: Church, rng: random.Random) -> None:
    number = _any_id(church, rng, "person")
    if number is not None:
        church.delete("person", number)


def _move_household(church: Church, rng: random.Random) -> None:
    person, household = _any_id(church, rng, "person"), _any_id(church, rng, "household")
    if person is not None:
        church.move("person", person, "households", household)


def _move_email(church: Church, rng: random.Random) -> None:
    email, person = _any_id(church, rng, "email"), _any_id(church, rng, "person")
    if email is not None and person is not None:
        church.move("email", email, "person", person)


def _merge(church: Church, rng: random.Random) -> None:
    keep, remove = _any_id(church, rng, "person"), _any_id(church, rng, "person")
    if keep is not None and remove is not None and keep != remove:
        church.merge(keep, remove)


_MIX: tuple[tuple[str, int, Callable[[Church, random.Random], None]], ...] = (
    ("change person", 50, _change_person),
    ("change child", 20, _change_child),
    ("create person", 10, _create_person),
    ("delete child", 6, _delete_child),
    ("delete person", 4, _delete_person),
    ("move household", 4, _move_household),
    ("move e-mail", 3, _move_email),
    ("merge", 3, _merge),
)
_WEIGHED = tuple((name, happen) for name, weight, happen in _MIX for _ in range(weight))


def _happen(church: Church, rng: random.Random) -> list[str]:
    name, happen = pick(rng, _WEIGHED)
    happen(church, rng)
    return [name]
