"""How sensitive data is, and where it may be shown."""

from collections.abc import Iterable
from enum import StrEnum


class Sensitivity(StrEnum):
    """How carefully data is handled, from the least to the most."""

    PUBLIC = "public"
    """Says nothing about a person, such as the name of a campus."""
    PERSONAL = "personal"
    """About a person, such as a name or an address."""
    SENSITIVE = "sensitive"
    """Could harm a person: medical notes, background checks, pastoral notes, what concerns children, giving."""

    @property
    def is_shown(self) -> bool:
        """Return whether previews, logs, dead-letter listings, alerts and events may contain it."""
        return self is Sensitivity.PUBLIC

    @property
    def is_granted(self) -> bool:
        """Return whether a reader is granted it without asking for it by name."""
        return self is not Sensitivity.SENSITIVE


def strictest(levels: Iterable[Sensitivity]) -> Sensitivity:
    """Return the highest of these sensitivities; public without any."""
    return max(levels, key=list(Sensitivity).index, default=Sensitivity.PUBLIC)
