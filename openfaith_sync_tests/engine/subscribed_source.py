"""A source's subscriptions in memory, and a store of ours; each call can fail before or after it took effect."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from openfaith_sync.domain.errors import DefinitionError, LeaseHeld, TransientError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.webhooks.inbox import InboxEvent
from openfaith_sync.domain.webhooks.subscription import KnownSubscription, Subscription

GRACE, PCO = OrgId("grace"), AdapterName("pco")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class SubscribedSource:
    """The source. ``on_call`` is told of every call before and after it takes effect, and may raise."""

    shows_secrets: bool = True
    offered: Callable[[str], bool] = lambda _: True
    held: dict[str, Subscription] = field(default_factory=dict)
    undelivered: dict[str, list[InboxEvent]] = field(default_factory=dict)
    on_call: Callable[[str, bool], None] = lambda _call, _is_done: None
    calls: list[str] = field(default_factory=list)
    asked_since: list[datetime] = field(default_factory=list)
    number: int = 0

    def put(self, name: str, url: str) -> Subscription:
        self.number += 1
        made = Subscription(str(self.number), name, url, is_active=True, secret=f"secret-{self.number}")
        self.held[made.subscription_id] = made
        return made

    def switch_off(self, subscription_id: str) -> None:
        self.held[subscription_id] = replace(self.held[subscription_id], is_active=False)

    def list_subscriptions(self) -> Sequence[Subscription]:
        self._begin("list")
        return [self._shown(found) for found in self.held.values()]

    def create_subscription(self, name: str, url: str) -> Subscription:
        self._begin("create")
        if not self.offered(name):
            raise DefinitionError("the source refused the request")
        if any((s.name, s.url) == (name, url) for s in self.held.values()):
            raise DefinitionError("has already been taken")
        made = self.put(name, url)
        self.on_call("create", True)
        return made

    def activate_subscription(self, subscription_id: str) -> Subscription:
        self._begin("activate")
        self.held[subscription_id] = replace(self.held[subscription_id], is_active=True)
        self.on_call("activate", True)
        return self._shown(self.held[subscription_id])

    def rotate_secret(self, subscription_id: str) -> Subscription:
        self._begin("rotate")
        self.number += 1
        self.held[subscription_id] = replace(self.held[subscription_id], secret=f"secret-{self.number}")
        self.on_call("rotate", True)
        return self.held[subscription_id]

    def delete_subscription(self, subscription_id: str) -> None:
        self._begin("delete")
        self.held.pop(subscription_id, None)
        self.on_call("delete", True)

    def read_undelivered(self, subscription: Subscription, since: datetime) -> Iterable[InboxEvent]:
        self._begin("undelivered")
        self.asked_since.append(since)
        return self.undelivered.get(subscription.subscription_id, [])

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        self.on_call(call, False)

    def _shown(self, found: Subscription) -> Subscription:
        return found if self.shows_secrets else replace(found, secret=None)


@dataclass
class KeptSubscriptions:
    """Our store."""

    org: OrgId = GRACE
    adapter: AdapterName = PCO
    known: dict[str, KnownSubscription] = field(default_factory=dict)
    previous: dict[str, str] = field(default_factory=dict)
    inbox: dict[str, InboxEvent] = field(default_factory=dict)
    now: datetime = NOON
    is_held: bool = False

    @contextmanager
    def hold_lease(self, holder: str) -> Iterator[None]:
        if self.is_held:
            raise LeaseHeld(f"held by {holder}")
        self.is_held = True
        try:
            yield
        finally:
            self.is_held = False

    def load(self) -> dict[str, KnownSubscription]:
        return dict(self.known)

    def save(self, subscription: Subscription) -> None:
        assert subscription.secret
        before = self.known.get(subscription.name)
        if before and before.secret != subscription.secret:
            self.previous[subscription.name] = before.secret
        checked_at = self.now if subscription.is_active or not before else before.checked_at
        self.known[subscription.name] = KnownSubscription(
            subscription.subscription_id,
            subscription.name,
            subscription.url,
            subscription.is_active,
            subscription.secret,
            checked_at,
        )

    def note_active(self, names: Sequence[str]) -> None:
        for name in names:
            self.known[name] = replace(self.known[name], is_active=True, checked_at=self.now)

    def note_inactive(self, name: str) -> None:
        if name in self.known:
            self.known[name] = replace(self.known[name], is_active=False)

    def forget(self, name: str) -> None:
        self.known.pop(name, None)

    def receive(self, events: Sequence[InboxEvent]) -> int:
        new = {event.event_id: event for event in events if event.event_id not in self.inbox}
        self.inbox.update(new)
        return len(new)

    def pass_time(self, span: timedelta) -> None:
        self.now += span


def failing(
    call: str, *, after: bool, times: int = 1, error: type[BaseException] = TransientError
) -> Callable[[str, bool], None]:
    """Return an ``on_call`` that fails the first calls of a name, before they take effect or after."""
    left = times

    def on_call(name: str, is_done: bool) -> None:
        nonlocal left
        if name == call and is_done is after and left:
            left -= 1
            raise error("the source failed on its side")

    return on_call
