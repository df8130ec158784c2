"""The pages of a pass that are under way: requested, or waiting for their commit."""

from dataclasses import dataclass
from enum import Enum, auto

from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.record import MappedBatch
from openfaith_sync.engine.passes.page_fetching import MappedPage


class Purpose(Enum):
    """The purpose of a request."""

    READ_ON = auto()
    SPLIT = auto()


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request that has not been answered yet."""

    index: int
    """The index of its slice."""
    query: ListingQuery
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class ReadyPage:
    """One page that waits for its commit."""

    index: int
    """The index of its slice, which reads on only after the commit."""
    place: WalkPlace
    """The place after it."""
    mapped: MappedPage
    batches: tuple[MappedBatch, ...]
    """Of ``mapped``, the records that were not read before."""
    fresh: int
    """How many records of the page were not read before."""
