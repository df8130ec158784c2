"""What keeping subscriptions right needs of the outside, and nothing more."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.webhooks.inbox import InboxEvent
from openfaith_sync.domain.webhooks.subscription import KnownSubscription, Subscription


class SubscriptionSource(Protocol):
    """One org's subscriptions at the source."""

    def list_subscriptions(self) -> Sequence[Subscription]:
        """Return all of them, also those of others that the credentials may see."""
        ...

    def create_subscription(self, name: str, url: str) -> Subscription:
        """Make an active one. After a ``TransientError`` it may have been made or not."""
        ...

    def activate_subscription(self, subscription_id: str) -> Subscription:
        """Have the source deliver again."""
        ...

    def rotate_secret(self, subscription_id: str) -> Subscription:
        """Have the source sign with a new secret. After a ``TransientError`` it may do so or not."""
        ...

    def delete_subscription(self, subscription_id: str) -> None:
        """Have the source announce nothing more to it; one that is gone is as good."""
        ...

    def read_undelivered(self, subscription: Subscription, since: datetime) -> Iterable[InboxEvent]:
        """Return the events since then that the source did not get delivered."""
        ...


class SubscriptionStore(Protocol):
    """What we keep of one org's subscriptions to one adapter."""

    org: OrgId
    adapter: AdapterName

    def hold_lease(self, holder: str) -> AbstractContextManager[object]:
        """Hold the right to change them; it ends with the process.

        Raises:
            LeaseHeld: Another live process has it.
        """
        ...

    def load(self) -> Mapping[str, KnownSubscription]:
        """Return what we keep, by event name."""
        ...

    def save(self, subscription: Subscription) -> None:
        """Keep one with its secret; an older secret of the same event name is believed for a day more."""
        ...

    def note_active(self, names: Sequence[str]) -> None:
        """Keep in mind that these were as we keep them just now."""
        ...

    def note_inactive(self, name: str) -> None:
        """Keep in mind that deliveries are to be fetched."""
        ...

    def forget(self, name: str) -> None:
        """Keep nothing of an event name; nothing signed for it is believed any more."""
        ...

    def receive(self, events: Sequence[InboxEvent]) -> int:
        """Put events into the inbox and say how many were new."""
        ...
