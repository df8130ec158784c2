"""A delivery: what one request of the source to our receiver held."""

from collections.abc import Sequence
from dataclasses import dataclass

from openfaith_sync.domain.ids import AccountId, EntityName
from openfaith_sync.domain.mapping.unstorable_text import storable_json
from openfaith_sync.domain.webhooks.inbox import InboxEvent

UNREADABLE = EntityName("$unreadable")
"""The entity of an event that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a delivery that is no event we understand; it is kept, so that nothing is lost."""

    event_id: str
    """Made of the content: the same part is kept once."""
    name: str
    """By the delivery's header."""
    reason: str
    """What is wrong, without any of the content."""
    content: str
    """As it came."""


def of_another_account(event: InboxEvent, own: AccountId | None) -> Unreadable | None:
    """Return what is kept of an event of another of the source's accounts; ``None`` for any other event.

    Such events come from subscriptions made with another church's credentials. One that states no account,
    or that comes before ours is known, is accepted: the record is read from the source before it is stored.
    """
    if own is None or event.account is None or event.account == own:
        return None
    reason = f"the event is of the source's account {event.account}, but the org is connected to account {own}"
    content = "" if event.payload is None else storable_json(event.payload).decode()
    return Unreadable(f"another account:{event.event_id}", event.name, reason, content)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The parts of one delivery, each in one of three lists."""

    events: Sequence[InboxEvent] = ()
    ignored: Sequence[str] = ()
    """Names of events that the manifest does not want."""
    unreadable: Sequence[Unreadable] = ()
