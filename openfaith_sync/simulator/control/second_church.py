"""Another church that a simulator answers for: what a token shows that belongs to another organization."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.api.document_caches import Libraries
from openfaith_sync.simulator.api.routes import Router
from openfaith_sync.simulator.data.population import populate
from openfaith_sync.simulator.data.unmodelled_resources import organization_id
from openfaith_sync.simulator.events.event_publisher import Newsroom
from openfaith_sync.simulator.events.webhook_api import WebhookApi


class AnswerFor(BaseModel):
    """For which church requests are answered from now on."""

    seed: int | None = None
    """That church's seed; without one the simulator's own church answers again."""
    people: int = Field(default=20, ge=0)
    at_request: int = Field(default=1, ge=1)
    """The first request that it answers, counted from now on."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Whoever answers reads."""

    router: Router
    libraries: Libraries
    webhooks: WebhookApi
    organization: str

    @classmethod
    def populated(cls, manifest: Manifest, newsroom: Newsroom, people: int, seed: int) -> "Answering":
        """Return another church with as many people; its changes are announced to nobody."""
        world = populate(manifest, people, seed)
        router = Router(world, manifest.adapter_file.auth.verify)
        organization = organization_id(seed)
        return cls(router, Libraries(world, seed), WebhookApi(newsroom, organization), organization)


class Switch:
    """Decides which church answers a request: the simulator's own, or another from some request on."""

    def __init__(self, own: Answering, manifest: Manifest, newsroom: Newsroom) -> None:
        """Have the simulator's own church answer."""
        self._own, self._manifest, self._newsroom = own, manifest, newsroom
        self._other: tuple[int, Answering] | None = None

    def answer_for(self, body: Any, last_sequence: int) -> dict[str, str]:
        """Switch to the church that the control surface asks for, and return its organization's id."""
        wanted = AnswerFor.model_validate(body)
        if wanted.seed is None:
            self._other = None
            return {"organization": self._own.organization}
        other = Answering.populated(self._manifest, self._newsroom, wanted.people, wanted.seed)
        self._other = (last_sequence + wanted.at_request, other)
        return {"organization": other.organization}

    def at(self, sequence: int) -> Answering:
        """Return who answers the request with this sequence number."""
        return self._other[1] if self._other and sequence >= self._other[0] else self._own
