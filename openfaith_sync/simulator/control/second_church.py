"""A second church that a simulator can answer for: what a token of another organization reads."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.api.document_builders import DocumentBuilders
from openfaith_sync.simulator.api.routes import Router
from openfaith_sync.simulator.data.apps.population import populate
from openfaith_sync.simulator.data.unmodelled_resources import organization_id
from openfaith_sync.simulator.events.event_publisher import EventPublisher
from openfaith_sync.simulator.events.webhook_api import WebhookApi


class ChurchSelection(BaseModel):
    """Which church answers requests from now on."""

    seed: int | None = None
    """That church's seed; without one, the simulator's own church answers again."""
    people: int = Field(default=20, ge=0)
    at_request: int = Field(default=1, ge=1)
    """The first request that it answers, counted from now on."""


@dataclass(frozen=True, slots=True)
class ServedChurch:
    """What serves the reads of one church."""

    router: Router
    document_builders: DocumentBuilders
    webhooks: WebhookApi
    organization: str

    @classmethod
    def populated(cls, manifest: Manifest, publisher: EventPublisher, people: int, seed: int) -> "ServedChurch":
        """Return another church with this many people; its changes are not announced."""
        world = populate(manifest, people, seed)
        router = Router(world, manifest.adapter_file.auth.verify)
        organization = organization_id(seed)
        return cls(router, DocumentBuilders(world, seed), WebhookApi(publisher, organization), organization)


class ChurchSwitch:
    """Decides which church answers a request: the simulator's own, or a second one from some request on."""

    def __init__(self, own: ServedChurch, manifest: Manifest, publisher: EventPublisher) -> None:
        """Start with the simulator's own church."""
        self._own, self._manifest, self._publisher = own, manifest, publisher
        self._other: tuple[int, ServedChurch] | None = None

    def answer_for(self, body: Any, last_sequence: int) -> dict[str, str]:
        """Switch to the church that the control surface requests, and return its organization's id."""
        wanted = ChurchSelection.model_validate(body)
        if wanted.seed is None:
            self._other = None
            return {"organization": self._own.organization}
        other = ServedChurch.populated(self._manifest, self._publisher, wanted.people, wanted.seed)
        self._other = (last_sequence + wanted.at_request, other)
        return {"organization": other.organization}

    def at(self, sequence: int) -> ServedChurch:
        """Return what answers the request with this sequence number."""
        return self._other[1] if self._other and sequence >= self._other[0] else self._own
