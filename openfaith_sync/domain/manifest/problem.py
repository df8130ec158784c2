"""What is wrong at one key of a manifest, as data."""

from dataclasses import dataclass
from typing import TypeAlias

from openfaith_sync.domain.errors import DefinitionError

Key: TypeAlias = tuple[str, ...]
"""The way to a value: mapping keys and list positions."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one key."""

    key: Key
    """From the mapping that was checked."""
    expected: str
    found: str | None = None
    """``None``: what the file shows there."""

    def __str__(self) -> str:
        """Read as ``key: found …, expected …``."""
        found = "" if self.found is None else f"found {self.found}, "
        return f"{'.'.join(self.key)}: {found}expected {self.expected}"


class ManifestProblems(ValueError):
    """A part of a manifest contradicts itself; pydantic hands it on inside its own error."""

    def __init__(self, *problems: Problem) -> None:
        """Hold what is wrong."""
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


class ImpossibleMapping(DefinitionError):
    """An entity asks for a mapping that cannot be; the problem's key begins with its name."""

    def __init__(self, problem: Problem) -> None:
        """Hold what is wrong."""
        self.problem = problem
        super().__init__(str(problem))
