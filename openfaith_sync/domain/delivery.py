"""A delivery: what one request of the source to our receiver held."""

from collections.abc import Sequence
from dataclasses import dataclass

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.inbox import InboxEvent

UNREADABLE = EntityName("$unreadable")
"""What stands for the entity of an event that says nothing we understand."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a delivery that is no event we understand; it is kept, so that nothing is lost."""

    event_id: str
    """Made of the content: the same part is kept once."""
    name: str
    """By the delivery's header."""
    reason: str
    """Says what is wrong and holds nothing of the content."""
    content: str
    """As it came."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The parts of one delivery, each in one of three lists."""

    events: Sequence[InboxEvent] = ()
    ignored: Sequence[str] = ()
    """Names of events that the manifest does not want."""
    unreadable: Sequence[Unreadable] = ()
