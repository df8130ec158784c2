"""What a dialect is: how one kind of API is spoken, without input or output of its own.

A dialect turns questions into requests and answers into values. Sending, retries, the budget, the breaker and
the account guard are the client's; the order of pages is the engine's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import httpx

from openfaith_sync.adapters.client.allowed_requests import AllowedRequest
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.ports.answer_reader import AnswerReader
from openfaith_sync.domain.connections.connection import Identity
from openfaith_sync.domain.ids import AccountId, EntityName, ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import FreshRecord, ListingQuery, Page
from openfaith_sync.domain.records.record import JsonObject, RawRecord
from openfaith_sync.domain.webhooks.delivery import Delivery
from openfaith_sync.domain.webhooks.inbox import InboxEvent
from openfaith_sync.domain.webhooks.subscription import Subscription

D = TypeVar("D")
"""What the body of an answer is in a dialect: a JSON object, a list, an element."""


class Dialect(AnswerReader, Protocol[D]):
    """How the records of one kind of source are asked for and read."""

    def parse_document(self, response: httpx.Response) -> D:
        """Return what the body of a success holds.

        Raises:
            MalformedAnswer: It is of another kind, broken, or no answer at all.
        """
        ...

    def stated_accounts(self, document: D) -> Iterator[AccountId]:
        """Yield the source's accounts that a document states it is of; nothing where it states none."""
        ...

    def parse_identity(self, document: D) -> Identity:
        """Return whom the credentials belong to, from the answer to ``auth.verify``.

        Raises:
            MalformedAnswer: The document does not say.
        """
        ...

    def listing_request(self, entity: Entity, query: ListingQuery) -> Request:
        """Return the request for one page of a listing."""
        ...

    def parse_page(self, entity: Entity, query: ListingQuery, document: D) -> Page:
        """Return the page that answers a query, proven by ``page_proofs``. Each damaged row costs one record.

        Raises:
            MalformedAnswer: It is no page of this listing, or does not follow the one before.
            FilterIgnored: It holds rows that were not asked for.
        """
        ...

    def record_request(
        self, entity: Entity, external_id: ExternalId, parent: ExternalId | None, *, with_children: bool
    ) -> Request:
        """Return the request for one record, with the children that come along."""
        ...

    def parse_record(
        self, entity: Entity, external_id: ExternalId, parent: ExternalId | None, document: D, *, with_children: bool
    ) -> FreshRecord:
        """Return the record that was asked for, with the children that were.

        Raises:
            MalformedAnswer: The document shows another one, or none.
        """
        ...

    def parse_payload(self, entity: Entity, payload: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record that an event shows; without attributes where the event shows none.

        Raises:
            MalformedAnswer: It is no whole record.
        """
        ...


class RecordSource(Protocol):
    """One connection's records, whatever the dialect; see ``engine.ports.Source``."""

    def read_page(self, query: ListingQuery) -> Page:
        """Return one page, proven well formed."""
        ...

    def read_merges(self, query: ListingQuery) -> Page:
        """Return one page of the merges of an entity."""
        ...

    def read_record(
        self, entity: EntityName, external_id: ExternalId, parent: ExternalId | None = None
    ) -> FreshRecord | None:
        """Return one record fresh from the source; ``None`` when the source proves that it has none."""
        ...

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record that an event shows."""
        ...

    def read_account(self) -> Identity:
        """Prove the credentials, and return whom they belong to."""
        ...


class DeliveryHeaders(Protocol):
    """The names of the headers that a delivery carries its envelope in."""

    @property
    def signature(self) -> str:
        """Return the header of the signature."""
        ...

    @property
    def name(self) -> str:
        """Return the header of the event's name."""
        ...


class DeliveryReader(Protocol):
    """How the webhook deliveries of one adapter are read."""

    @property
    def headers(self) -> DeliveryHeaders:
        """Return where a delivery carries its envelope."""
        ...

    @property
    def announced(self) -> Mapping[str, object]:
        """Return the names of the events that the manifest wants."""
        ...

    def read_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """Return the events of a delivery, those nobody wants, and what could not be read. Raises nothing."""
        ...


class Subscriptions(Protocol):
    """The life of one connection's subscriptions at its source; see ``engine.ports.subscriptions``."""

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


class WebhookProtocol(Protocol):
    """How one kind of source announces changes: the capability that a dialect may have."""

    @property
    def reader(self) -> DeliveryReader:
        """Return how deliveries are read."""
        ...

    def allowed_requests(self) -> Iterator[AllowedRequest]:
        """Yield the requests that manage subscriptions, those that write among them."""
        ...

    def open_subscriptions(self, client: HttpClient) -> Subscriptions:
        """Return the subscriptions of a client's connection."""
        ...
