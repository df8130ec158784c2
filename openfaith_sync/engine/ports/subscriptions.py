"""What the engine needs to manage subscriptions."""

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
        """Return all that the credentials can see, including those of others."""
        ...

    def create_subscription(self, name: str, url: str) -> Subscription:
        """Create an active subscription. After a ``TransientError`` it may or may not exist."""
        ...

    def activate_subscription(self, subscription_id: str) -> Subscription:
        """Reactivate a subscription."""
        ...

    def rotate_secret(self, subscription_id: str) -> Subscription:
        """Replace the secret of a subscription. After a ``TransientError`` it may or may not be replaced."""
        ...

    def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription; one that is gone already is no error."""
        ...

    def read_undelivered(self, subscription: Subscription, since: datetime) -> Iterable[InboxEvent]:
        """Return the events since then that the source failed to deliver."""
        ...


class SubscriptionStore(Protocol):
    """The stored subscriptions of one org to one adapter."""

    org: OrgId
    adapter: AdapterName

    def hold_lease(self, holder: str) -> AbstractContextManager[object]:
        """Hold the right to change them; it ends with the process.

        Raises:
            LeaseHeld: Another live process has it.
        """
        ...

    def load(self) -> Mapping[str, KnownSubscription]:
        """Return the stored subscriptions by event name."""
        ...

    def save(self, subscription: Subscription) -> None:
        """Store a subscription with its secret; an older secret of the same event name is accepted for one more day."""
        ...

    def note_active(self, names: Sequence[str]) -> None:
        """Store that these were found unchanged just now."""
        ...

    def note_inactive(self, name: str) -> None:
        """Store that missed deliveries are to be fetched."""
        ...

    def forget(self, name: str) -> None:
        """Delete what is stored of an event name; signatures for it are no longer accepted."""
        ...

    def receive(self, events: Sequence[InboxEvent]) -> int:
        """Store events in the inbox, and return how many were new."""
        ...
