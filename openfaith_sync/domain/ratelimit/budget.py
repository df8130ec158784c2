"""The request budget of one connection, as its ledger records it.

All processes that use a connection share one ledger. A process visits it to report how
its requests ended and to take a *slice*: a number of requests that it may send before it
visits again. Times are seconds by the ledger's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from openfaith_sync.domain.ratelimit.lanes import Lane

DEEP = "deep"
COMMON = "common"
"""The buckets: requests far into a listing are counted apart as well."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One request that ended, with or without a response."""

    sent: float
    """Not after it was sent."""
    ended: float
    """Not before the answer came: the source counted it by then."""
    count: int | None = None
    """The source's own count, where the answer said it and was no refusal."""


@dataclass(frozen=True, slots=True)
class RateRefusal:
    """A 429 response."""

    sent: float
    retry_after: float | None
    """Seconds to wait, as far as the answer said so in a way that can be read."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A process's report to the ledger and its request for slots."""

    holder: str
    lane: Lane
    wanted: int = 0
    under_way: int = 0
    """Sent and not ended. What it was granted beyond these and ``answered`` was never sent, and is given back."""
    answered: tuple[Answered, ...] = ()
    limit: int | None = None
    period: float | None = None
    """What the newest answer stated."""
    heard: bool = False
    """Whether any answer came, whatever it stated."""
    refusal: RateRefusal | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A slice of the budget, or when to try again."""

    now: float
    """By the ledger's clock."""
    slots: int
    valid: float
    """Seconds within which the slots must be sent."""
    come_back: float
    """Seconds, when there are no slots."""
    limit: int
    period: float
    is_sure: bool
    """Whether an answer came lately."""


@dataclass(frozen=True, slots=True)
class HeldSlots:
    """Slots granted but not yet reported; the source may count them at any time."""

    slots: int
    until: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A process that waits for a slot."""

    lane: Lane
    wanted: int
    until: float


@dataclass(frozen=True, slots=True)
class Counted:
    """The highest count that the source can have reached in its window."""

    most: int
    sent: float
    """When the request was sent whose answer this rests on."""
    count: int
    """What that answer said."""
    began: float
    """Not before that window began."""
    earliest: float = 0.0
    """Not after it began."""
    seen: tuple[tuple[float, int], ...] = ()
    """When our own requests were answered that the window must hold, and how many."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The ledger's record of one rate-limit bucket of one connection."""

    limit: int
    period: float
    heard_at: float | None = None
    """When an answer last came; ``None``: the limit is only assumed."""
    share: float = 1.0
    """Of the limit that is used: halved when the source refuses, grown again while it does not."""
    share_since: float = 0.0
    """When that last changed."""
    refused_at: float = 0.0
    refusals: int = 0
    """In a row."""
    refused: int = 0
    """All 429 answers ever, those of concurrent requests each."""
    closed_until: float = 0.0
    counted: Counted | None = None
    is_count_proven: bool = False
    """Whether the source's count was seen to follow what we send, and was not contradicted since."""
    doubted_until: float = 0.0
    """Until then the count is not used to send more than our own log allows."""
    spent: tuple[tuple[float, int], ...] = ()
    """When requests ended, and how many; those of two periods, oldest first."""
    held: Mapping[str, HeldSlots] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    lanes: Mapping[Lane, float] = field(default_factory=dict)
    """When each lane last asked."""

    @property
    def allowed(self) -> int:
        """Return how many requests per period are allowed: the used share of the limit."""
        return max(1, int(self.limit * self.share))

    def held_slots(self, holder: str | None = None) -> int:
        """Return the number of slots held by other processes."""
        return sum(held.slots for name, held in self.held.items() if name != holder)

    def spent_since(self, moment: float) -> int:
        """Return the number of requests that ended at or after a time."""
        return sum(count for ended, count in self.spent if ended >= moment)
