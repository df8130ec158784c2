"""The manifest keys of an entity that is listed only below a parent: which parents' lists are read, and when."""

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from openfaith_sync.domain.manifest.model import ManifestModel, SnakeCase
from openfaith_sync.domain.manifest.problem import ManifestProblem, ManifestProblems

TimeOffset = Annotated[str, StringConstraints(pattern=r"^(history|-?\d{1,4}[dm])$")]
"""A time relative to the source's now: `-30d` is 30 days ago, `-24m` is 24 months ago, and `history` is as far
back as the org keeps history."""

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class ParentCondition(ManifestModel):
    """What an attribute of the parent must be for its list to be read."""

    attribute: SnakeCase
    equals: bool | int | str | None = None
    before: TimeOffset | None = None
    after: TimeOffset | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(value is not None for value in (self.equals, self.before, self.after)) != 1:
            raise ManifestProblems(ManifestProblem((), "exactly one of equals, before and after"))
        return self


class Freeze(ManifestModel):
    """When a parent's list is final: it was read once, and this time of the parent is long past."""

    attribute: SnakeCase
    after_days: int = Field(ge=0, le=3_650)


class Triggers(ManifestModel):
    """What makes the list of a parent due that was read before."""

    attributes: tuple[SnakeCase, ...] = ()
    """Only a change of one of these attributes of the parent; if omitted, any change of its record."""
    webhook: bool = False
    """A webhook event for the parent too, even if the parent's record did not change."""
    watch: SnakeCase | None = None
    """A changed record of this entity that refers to the parent too."""
    poll: tuple[ParentCondition, ...] = ()
    """Whether the lists of some parents are due at every delta: of those for which all these conditions hold, since
    nothing of their records shows a change below them."""


class Nested(ManifestModel):
    """How an entity that exists only below another one is listed."""

    under: SnakeCase
    """The relationship to the parent: its id fills `{parent}` in the endpoints. Other path parameters are relationships
    of the parent."""
    members: SnakeCase | None = None
    """The parent's relationship that names the members, if it has one."""
    member: SnakeCase | None = None
    """This entity's relationship whose targets the parent names; if omitted, the parent names its records."""
    rides: bool = False
    """Whether its records come with the parent's: only the list of a parent that names other records than those
    that are stored is read."""
    one: bool = False
    """Whether a parent has at most one record: its path gives an object, and 404 where there is none."""
    when: tuple[ParentCondition, ...] = ()
    """Conditions that all must hold for a parent's list to be read."""
    freeze: Freeze | None = None
    triggers: Triggers = Triggers()


def path_parameters(path: str) -> Iterator[str]:
    """Yield the path parameters of a path that are relationships of the parent."""
    return (name for name in _PLACEHOLDER.findall(path) if name not in {"id", "parent"})
