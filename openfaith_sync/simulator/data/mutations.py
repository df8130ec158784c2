"""Happenings: what the control surface can let happen, one by one or at random."""

import random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from openfaith_sync.simulator.data.church import Church
from openfaith_sync.simulator.data.random_mutations import happen

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
        return {"done": [happen(church, rng) for _ in range(self.changes)]}


Happening = Annotated[Create | Change | Delete | Merge | Move | Random, Field(discriminator="do")]


class ScriptPart(_Happening):
    """What happens just before the n-th request from now on is answered."""

    at_request: int = Field(ge=1)
    actions: list[Happening]
