"""Webhook delivery faults as data: what goes wrong between an event and its receiver."""

import random
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Events of the same moment are held together this long so that they can share a delivery.
_GATHER_SECONDS = 0.05


class DeliveryFaults(BaseModel):
    """What happens to events from now on; the same seed has the same effect on the n-th event."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lost_share: float = Field(default=0, ge=0, le=1)
    """The share of events that are never delivered, although they are listed as pending."""
    duplicate_share: float = Field(default=0, ge=0, le=1)
    """The share of events that are delivered twice."""
    disorder_seconds: float = Field(default=0, ge=0)
    """Delay each delivery by a random part of this window, which shuffles them."""
    delay_seconds: tuple[float, float] = (0, 0)
    """Delay each delivery by at least and at most this long."""
    batch: int = Field(default=1, ge=1)
    """Put up to this many events of a subscription into one delivery."""
    early_share: float = Field(default=1, ge=0, le=1)
    """The share of announced new records that the API shows only later."""
    early_seconds: float = Field(default=0, ge=0)
    """How long the API hides a new record after announcing it."""
    seed: int = 1

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not 0 <= self.delay_seconds[0] <= self.delay_seconds[1]:
            raise ValueError("delay_seconds must be a minimum and a maximum, as in [0.5, 2]")
        return self


NO_DELIVERY_FAULTS = DeliveryFaults()


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """When and how often one event is delivered."""

    is_lost: bool
    after_seconds: float
    again_after_seconds: float | None
    """When it is delivered a second time, if it is."""
    hidden_seconds: float
    """How long the API hides the record, if it is new."""


def plan_delivery(faults: DeliveryFaults, event_number: int) -> DeliveryPlan:
    """Return the delivery plan of an event."""
    rng = random.Random(f"{faults.seed}:{event_number}")  # noqa: S311  nothing secret
    is_lost, is_doubled = rng.random() < faults.lost_share, rng.random() < faults.duplicate_share
    first, second = _wait_seconds(faults, rng), _wait_seconds(faults, rng)
    is_early = rng.random() < faults.early_share
    return DeliveryPlan(is_lost, first, second if is_doubled else None, faults.early_seconds if is_early else 0)


def _wait_seconds(faults: DeliveryFaults, rng: random.Random) -> float:
    waited = rng.uniform(*faults.delay_seconds) + rng.random() * faults.disorder_seconds
    return waited + (_GATHER_SECONDS if faults.batch > 1 else 0)
