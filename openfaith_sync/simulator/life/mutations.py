"""Mutations: the changes that the control surface can make, one at a time or at random."""

import random
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.life.check_ins import CHECK_INS
from openfaith_sync.simulator.life.gatherings import GATHERINGS
from openfaith_sync.simulator.life.giving import GIVING
from openfaith_sync.simulator.life.people import PEOPLE
from openfaith_sync.simulator.life.random_mutations import apply_random_mutation
from openfaith_sync.simulator.life.services import SERVICES

Json = dict[str, Any]
ACTIONS = GIVING | CHECK_INS | PEOPLE | SERVICES | GATHERINGS


class _Mutation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Create(_Mutation):
    """Create a record."""

    do: Literal["create"] = "create"
    entity: str
    attributes: Json = Field(default_factory=dict)
    relationships: Json = Field(default_factory=dict)

    def apply(self, church: SimulatedChurch) -> Json:
        """Apply it and return its result."""
        return {"id": str(church.create(self.entity, self.attributes, self.relationships).id)}


class Change(_Mutation):
    """Change a record; without ``touch`` its timestamps stay."""

    do: Literal["change"] = "change"
    entity: str
    id: int
    attributes: Json = Field(default_factory=dict)
    relationships: Json = Field(default_factory=dict)
    touch: bool = True

    def apply(self, church: SimulatedChurch) -> Json:
        """Apply it and return its result."""
        church.change(self.entity, self.id, self.attributes, self.relationships, touch=self.touch)
        return {"id": str(self.id)}


class Delete(_Mutation):
    """Delete a record and whatever cannot exist without it."""

    do: Literal["delete"] = "delete"
    entity: str
    id: int

    def apply(self, church: SimulatedChurch) -> Json:
        """Apply it and return its result."""
        church.delete(self.entity, self.id)
        return {"id": str(self.id)}


class MergePeople(_Mutation):
    """Merge one person into another."""

    do: Literal["merge"] = "merge"
    keep: int
    remove: int

    def apply(self, church: SimulatedChurch) -> Json:
        """Apply it and return its result."""
        church.merge(self.keep, self.remove)
        return {"id": str(self.keep)}


class Move(_Mutation):
    """Make a record belong to another one."""

    do: Literal["move"] = "move"
    entity: str
    id: int
    relationship: str
    to: int | None
    touch: bool = True

    def apply(self, church: SimulatedChurch) -> Json:
        """Apply it and return its result."""
        church.move(self.entity, self.id, self.relationship, self.to, touch=self.touch)
        return {"id": str(self.id)}


class Act(_Mutation):
    """Do what a church does in one of its apps, such as to refund a gift."""

    do: Literal["act"] = "act"
    action: str
    parameters: Json = Field(default_factory=dict)

    def apply(self, church: SimulatedChurch) -> Json:
        """Apply it and return its result."""
        act = ACTIONS.get(self.action)
        if act is None:
            raise UsageError(f"there is no action {self.action!r}; the known ones: {', '.join(ACTIONS)}")
        wanted = get_type_hints(act)
        unknown = sorted(set(self.parameters) - (set(wanted) - {"church", "return"}))
        if unknown:
            raise UsageError(f"{self.action} takes no {', '.join(unknown)}")
        return act(church, **{name: _read(value, wanted[name]) for name, value in self.parameters.items()})


class Random(_Mutation):
    """Make this many random changes, determined by the seed."""

    do: Literal["random"] = "random"
    changes: int = Field(ge=0)
    seed: int = 1

    def apply(self, church: SimulatedChurch) -> Json:
        """Apply it and return its result."""
        rng = random.Random(f"{self.seed}:happenings")  # noqa: S311  nothing secret
        return {"done": [apply_random_mutation(church, rng) for _ in range(self.changes)]}


Mutation = Annotated[Act | Create | Change | Delete | MergePeople | Move | Random, Field(discriminator="do")]


class ScriptStep(_Mutation):
    """Actions to apply just before the n-th request from now is answered."""

    at_request: int = Field(ge=1)
    actions: list[Mutation]


def _read(value: Any, wanted: Any) -> Any:
    """Return a parameter as its action takes it: ids as numbers, however a client writes them."""
    return TypeAdapter(wanted).validate_python(value)
