"""The newsroom: makes events of what the church announces, and lets trouble have its share."""

import math
import time
from collections.abc import Callable

from openfaith_sync.simulator.api.document_caches import Libraries
from openfaith_sync.simulator.data.church import Action, Church
from openfaith_sync.simulator.data.tables import Row, Table
from openfaith_sync.simulator.data.unmodelled_resources import organization_id
from openfaith_sync.simulator.events.event_payloads import EventNames, write_payload
from openfaith_sync.simulator.events.subscriptions import Subscription, Subscriptions, WebhookEvent
from openfaith_sync.simulator.events.visibility_delay import Curtain
from openfaith_sync.simulator.events.webhook_sender import Delivery, Postman
from openfaith_sync.simulator.settings.delivery_faults import WebhookTrouble, draw_fate
from openfaith_sync.simulator.settings.settings import SimulatorSettings


class Newsroom:
    """Listens to a church, and has the postman tell those who subscribed."""

    def __init__(self, church: Church, libraries: Libraries, settings: SimulatorSettings) -> None:
        """Listen from now on."""
        self.names = EventNames(church.world.tables.values())
        self.subscriptions = Subscriptions(settings.seed)
        self.postman = Postman(organization_id(settings.seed), settings.webhook_retry_scale)
        self.curtain = Curtain()
        self.now: Callable[[], str] = church.now
        self._libraries, self._settings = libraries, settings
        self.set_trouble(settings.webhook_trouble)
        church.announce = self._announce

    def set_trouble(self, trouble: WebhookTrouble) -> None:
        """Do this to events from now on."""
        self._trouble = trouble
        self.postman.batch = trouble.batch

    def reset(self) -> None:
        """Leave no subscription, no trouble but that of the settings, and no log."""
        for subscription in list(self.subscriptions):
            self.end(subscription)
        self.set_trouble(self._settings.webhook_trouble)
        self.postman.retry_scale = self._settings.webhook_retry_scale
        self.postman.log.clear()
        self.curtain.lift(math.inf)

    def end(self, subscription: Subscription) -> None:
        """Hold a subscription no more, and deliver nothing to it."""
        self.subscriptions.remove(subscription)
        self.postman.drop(subscription)

    def _announce(self, action: Action, table: Table, row: Row) -> None:
        name = self.names.name_of(action, table)
        hidden_seconds = 0.0
        for subscription in self.subscriptions.wanting(name) if name else ():
            librarian, now = self._libraries.under(subscription.base_url), self.now()
            payload = write_payload(librarian, action, table, row, now)
            event = self.subscriptions.record(subscription, payload, now)
            hidden_seconds = max(hidden_seconds, self._let_go(subscription, event))
        if action == "created" and hidden_seconds:
            self.curtain.hide(table, row, time.monotonic() + hidden_seconds)

    def _let_go(self, subscription: Subscription, event: WebhookEvent) -> float:
        """Return an event to its fate, and how long its record stays hidden if it is new."""
        fate = draw_fate(self._trouble, self.subscriptions.last_event_number)
        if not fate.is_lost:
            self.postman.send(Delivery(subscription, (event,)), fate.after_seconds)
            if fate.again_after_seconds is not None:
                again = Delivery(subscription, (event,), is_repeated=True)
                self.postman.send(again, max(fate.after_seconds, fate.again_after_seconds))
        return fate.hidden_seconds
