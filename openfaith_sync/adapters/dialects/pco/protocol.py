"""Planning Center's webhooks; implements ``WebhookProtocol``."""

from collections.abc import Iterator

from openfaith_sync.adapters.client.allowed_requests import AllowedRequest
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.pco.subscriptions import PcoSubscriptions
from openfaith_sync.adapters.dialects.pco.webhook_keys import require_webhooks
from openfaith_sync.adapters.dialects.pco.webhooks import WebhookReader
from openfaith_sync.domain.manifest.manifest import Manifest


class PcoWebhooks:
    """The webhooks of one Planning Center adapter."""

    def __init__(self, manifest: Manifest) -> None:
        """Read the webhooks from the manifest.

        Raises:
            DefinitionError: The manifest has no webhooks.
        """
        self._manifest = manifest
        _, self._webhooks = require_webhooks(manifest)
        self.reader = WebhookReader(manifest)

    def allowed_requests(self) -> Iterator[AllowedRequest]:
        """Yield the requests that manage subscriptions."""
        path = self._webhooks.subscriptions
        yield AllowedRequest("GET", path)
        yield AllowedRequest("POST", path)
        yield AllowedRequest("GET", f"{path}/{{id}}/events")
        yield AllowedRequest("POST", f"{path}/{{id}}/rotate_secret")
        for method in ("GET", "PATCH", "DELETE"):
            yield AllowedRequest(method, f"{path}/{{id}}")

    def open_subscriptions(self, client: HttpClient) -> PcoSubscriptions:
        """Return the subscriptions of a client's connection."""
        return PcoSubscriptions(self._manifest, client)
