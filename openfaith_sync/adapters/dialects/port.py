"""The dialect port: builds the requests of one kind of API and parses its responses, without I/O.

The client sends requests; it handles retries, the rate limit budget, the circuit breaker and the account
check. The engine decides which page is read next.
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
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.records.record import JsonObject, RawRecord
from openfaith_sync.domain.webhooks.delivery import Delivery
from openfaith_sync.domain.webhooks.inbox import InboxEvent
from openfaith_sync.domain.webhooks.subscription import Subscription

D = TypeVar("D")
"""The parsed body of a response: a JSON object, a list or an XML element."""


class Dialect(AnswerReader, Protocol[D]):
    """Builds requests for the records of one kind of source, and parses the responses."""

    def parse_document(self, response: httpx.Response) -> D:
        """Return the parsed body of a successful response.

        Raises:
            MalformedAnswer: The body is of another media type, broken or empty.
        """
        ...

    def stated_accounts(self, document: D) -> Iterator[AccountId]:
        """Yield the source's accounts that a document states it belongs to, if any."""
        ...

    def parse_identity(self, document: D) -> Identity:
        """Return whom the credentials belong to, from the response to ``auth.verify``.

        Raises:
            MalformedAnswer: The document does not state it.
        """
        ...

    def listing_request(self, entity: Entity, query: ListingQuery) -> Request:
        """Return the request for one page of a listing."""
        ...

    def parse_page(self, entity: Entity, query: ListingQuery, document: D) -> Page:
        """Return the page for a query, checked by ``page_proofs``. A damaged row affects only its own record.

        Raises:
            MalformedAnswer: It is not a page of this listing, or does not follow the previous one.
            FilterIgnored: It contains rows that do not match the query.
        """
        ...

    def record_request(
        self,
        entity: Entity,
        external_id: ExternalId,
        parent: ExternalId | None,
        ancestors: Ancestors,
        *,
        with_children: bool,
    ) -> Request:
        """Return the request for one record, including its children if asked."""
        ...

    def parse_record(
        self, entity: Entity, external_id: ExternalId, parent: ExternalId | None, document: D, *, with_children: bool
    ) -> FreshRecord:
        """Return the requested record, with its children if they were requested.

        Raises:
            MalformedAnswer: The document contains another record, or none.
        """
        ...

    def parse_payload(self, entity: Entity, payload: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record in an event's payload; without attributes if the event contains none.

        Raises:
            MalformedAnswer: The payload is not a complete record.
        """
        ...

    def parse_stored(self, entity: Entity, body: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record of the body that was kept of one, marked as damaged if it still cannot be read."""
        ...


class StoredRecords(Protocol):
    """What was kept of an adapter's records, independent of the dialect; see ``engine.ports.KeptRecords``."""

    def parse_stored(self, entity: EntityName, body: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record of the body that was kept of one."""
        ...


class RecordSource(StoredRecords, Protocol):
    """One connection's records, independent of the dialect; see ``engine.ports.Source``."""

    def read_page(self, query: ListingQuery) -> Page:
        """Return one checked page."""
        ...

    def read_merges(self, query: ListingQuery) -> Page:
        """Return one page of the merges of an entity."""
        ...

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        """Return one record fresh from the source; ``None`` if the source proves that it does not exist."""
        ...

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        """Return the record in an event's payload."""
        ...

    def read_account(self) -> Identity:
        """Verify the credentials, and return whom they belong to."""
        ...


class DeliveryHeaders(Protocol):
    """The names of the headers that describe a delivery."""

    @property
    def signature(self) -> str:
        """Return the name of the signature header."""
        ...

    @property
    def name(self) -> str:
        """Return the name of the header with the event's name."""
        ...


class DeliveryReader(Protocol):
    """Parses the webhook deliveries of one adapter."""

    @property
    def headers(self) -> DeliveryHeaders:
        """Return the names of a delivery's headers."""
        ...

    @property
    def announced(self) -> Mapping[str, object]:
        """Return the event names in the manifest."""
        ...

    def read_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """Return a delivery's events, ignored event names and unreadable parts; never raises."""
        ...


class Subscriptions(Protocol):
    """Manages one connection's webhook subscriptions at its source; see ``engine.ports.subscriptions``."""

    def list_subscriptions(self) -> Sequence[Subscription]:
        """Return all subscriptions that the credentials may see, including those of other applications."""
        ...

    def create_subscription(self, name: str, url: str) -> Subscription:
        """Create an active subscription. After a ``TransientError`` it may or may not exist."""
        ...

    def activate_subscription(self, subscription_id: str) -> Subscription:
        """Activate a subscription, so that the source delivers its events again."""
        ...

    def rotate_secret(self, subscription_id: str) -> Subscription:
        """Replace the signing secret. After a ``TransientError`` it may or may not have changed."""
        ...

    def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription; one that no longer exists is not an error."""
        ...

    def read_undelivered(self, subscription: Subscription, since: datetime) -> Iterable[InboxEvent]:
        """Return the events since then that the source could not deliver."""
        ...


class WebhookProtocol(Protocol):
    """The webhooks of one kind of source; an optional capability of a dialect."""

    @property
    def reader(self) -> DeliveryReader:
        """Return the parser of deliveries."""
        ...

    def allowed_requests(self) -> Iterator[AllowedRequest]:
        """Yield the requests that manage subscriptions, including writes."""
        ...

    def open_subscriptions(self, client: HttpClient) -> Subscriptions:
        """Return the subscriptions of a client's connection."""
        ...
