"""The replay of dead letters: their raw records are mapped again with the present manifest, without a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.ids import ExternalId


@dataclass(frozen=True, slots=True)
class ReplayedLetters:
    """The dead letters whose raw records a page holds, mapped again.

    A letter is only resolved, or given another reason, while it is the one that was mapped: a worker may
    have set a newer raw record aside meanwhile.
    """

    read_since: datetime
    """The source was asked for all of them after this. What was written to a record since may be newer than its
    letter, so the record is read once more by its id instead."""
    occurrences: Mapping[ExternalId, int]
    """How often each letter was set aside when it was mapped."""
    became: Mapping[ExternalId, tuple[ExternalId, ...]]
    """The letters of each record of the page. They have the record's id, unless the former manifest could not
    read an id."""


@dataclass(frozen=True, slots=True)
class ReplayCounts:
    """What became of the dead letters that were replayed."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    """Their records are stored already, in this version or a newer one."""
    failed: int = 0
    """They are still dead letters, each with the reason of now."""
    pages: int = 0
    is_unfinished: bool = False
    """Whether more of them wait than were to be replayed at once."""

    @property
    def resolved(self) -> int:
        """Return how many are dead letters no longer."""
        return self.created + self.updated + self.unchanged

    @property
    def replayed(self) -> int:
        """Return how many were mapped again."""
        return self.resolved + self.failed
