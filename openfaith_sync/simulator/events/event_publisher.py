"""Turn the church's announced changes into webhook events, and apply delivery faults."""

import math
import time
from collections.abc import Callable

from openfaith_sync.simulator.api.document_builders import DocumentBuilders
from openfaith_sync.simulator.data.church import Action, SimulatedChurch
from openfaith_sync.simulator.data.tables import Row, Table
from openfaith_sync.simulator.data.unmodelled_resources import organization_id
from openfaith_sync.simulator.events.event_payloads import EventNames, write_payload
from openfaith_sync.simulator.events.subscriptions import SubscriptionRegister, WebhookEvent, WebhookSubscription
from openfaith_sync.simulator.events.visibility_delay import VisibilityDelay
from openfaith_sync.simulator.events.webhook_sender import WebhookDelivery, WebhookSender
from openfaith_sync.simulator.settings.delivery_faults import DeliveryFaults, plan_delivery
from openfaith_sync.simulator.settings.settings import SimulatorSettings


class EventPublisher:
    """Listens to a church, and sends events to its subscribers."""

    def __init__(
        self, church: SimulatedChurch, document_builders: DocumentBuilders, settings: SimulatorSettings
    ) -> None:
        """Listen from now on."""
        self.names = EventNames(church.world.tables.values())
        self.subscriptions = SubscriptionRegister(settings.seed)
        self.sender = WebhookSender(organization_id(settings.seed), settings.webhook_retry_scale)
        self.visibility_delay = VisibilityDelay()
        self.now: Callable[[], str] = church.now
        self._document_builders, self._settings = document_builders, settings
        self.set_delivery_faults(settings.delivery_faults)
        church.announce = self._announce

    def set_delivery_faults(self, faults: DeliveryFaults) -> None:
        """Apply these faults to events from now on."""
        self._delivery_faults = faults
        self.sender.batch = faults.batch

    def reset(self) -> None:
        """Remove all subscriptions, restore the faults of the settings, and clear the log."""
        for subscription in list(self.subscriptions):
            self.end(subscription)
        self.set_delivery_faults(self._settings.delivery_faults)
        self.sender.retry_scale = self._settings.webhook_retry_scale
        self.sender.log.clear()
        self.visibility_delay.show_due(math.inf)

    def end(self, subscription: WebhookSubscription) -> None:
        """Remove a subscription, and deliver nothing more to it."""
        self.subscriptions.remove(subscription)
        self.sender.drop(subscription)

    def _announce(self, action: Action, table: Table, row: Row) -> None:
        name = self.names.name_of(action, table)
        hidden_seconds = 0.0
        for subscription in self.subscriptions.wanting(name) if name else ():
            builder, now = self._document_builders.for_base_url(subscription.base_url), self.now()
            payload = write_payload(builder, action, table, row, now)
            event = self.subscriptions.record(subscription, payload, now)
            hidden_seconds = max(hidden_seconds, self._schedule(subscription, event))
        if action == "created" and hidden_seconds:
            self.visibility_delay.hide(table, row, time.monotonic() + hidden_seconds)

    def _schedule(self, subscription: WebhookSubscription, event: WebhookEvent) -> float:
        """Schedule an event's delivery, and return how long its record stays hidden if it is new."""
        plan = plan_delivery(self._delivery_faults, self.subscriptions.last_event_number)
        if not plan.is_lost:
            self.sender.send(WebhookDelivery(subscription, (event,)), plan.after_seconds)
            if plan.again_after_seconds is not None:
                again = WebhookDelivery(subscription, (event,), is_repeated=True)
                self.sender.send(again, max(plan.after_seconds, plan.again_after_seconds))
        return plan.hidden_seconds
