"""A problem at one key of a manifest, as data."""

from dataclasses import dataclass
from typing import TypeAlias

from openfaith_sync.domain.errors import DefinitionError

Key: TypeAlias = tuple[str, ...]
"""The path of a value: mapping keys and list positions."""


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """A problem at one key."""

    key: Key
    """Relative to the mapping that was checked."""
    expected: str
    found: str | None = None
    """``None`` stands for the value in the file."""

    def __str__(self) -> str:
        """Return ``key: found …, expected …``."""
        found = "" if self.found is None else f"found {self.found}, "
        return f"{'.'.join(self.key)}: {found}expected {self.expected}"


class ManifestProblems(ValueError):
    """A part of a manifest has problems; pydantic wraps this in its own error."""

    def __init__(self, *problems: ManifestProblem) -> None:
        """Store the problems."""
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


class ImpossibleMapping(DefinitionError):
    """An entity declares a mapping that cannot be compiled; the problem's key begins with the entity's name."""

    def __init__(self, problem: ManifestProblem) -> None:
        """Store the problem."""
        self.problem = problem
        super().__init__(str(problem))
