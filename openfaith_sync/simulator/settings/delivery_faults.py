"""Trouble with webhooks, as data: what goes wrong between an event and its receiver."""

import random
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Events of one moment must meet before they leave together.
_GATHER_SECONDS = 0.05


class WebhookTrouble(BaseModel):
    """What happens to events from now on; the same seed does the same to the n-th event."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lost_share: float = Field(default=0, ge=0, le=1)
    """Of the events: those that are never delivered, though they are listed as pending."""
    duplicate_share: float = Field(default=0, ge=0, le=1)
    """Of the events: those that are delivered twice."""
    disorder_seconds: float = Field(default=0, ge=0)
    """Hold each delivery back for a chance part of this window, which shuffles them."""
    delay_seconds: tuple[float, float] = (0, 0)
    """Hold each delivery back for at least and at most so long."""
    batch: int = Field(default=1, ge=1)
    """Put up to so many events of a subscription into one delivery."""
    early_share: float = Field(default=1, ge=0, le=1)
    """Of the announced new records: those the API shows only later."""
    early_seconds: float = Field(default=0, ge=0)
    """How long the API does not show a new record that was announced."""
    seed: int = 1

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not 0 <= self.delay_seconds[0] <= self.delay_seconds[1]:
            raise ValueError("delay_seconds is the least and the most, as in [0.5, 2]")
        return self


NO_TROUBLE = WebhookTrouble()


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one event."""

    is_lost: bool
    after_seconds: float
    again_after_seconds: float | None
    """When it comes a second time, if it does."""
    hidden_seconds: float
    """How long the API does not show the record, if it is new."""


def draw_fate(trouble: WebhookTrouble, event_number: int) -> Fate:
    """Return the fate of an event."""
    rng = random.Random(f"{trouble.seed}:{event_number}")  # noqa: S311  nothing secret
    is_lost, is_doubled = rng.random() < trouble.lost_share, rng.random() < trouble.duplicate_share
    first, second = _wait_seconds(trouble, rng), _wait_seconds(trouble, rng)
    is_early = rng.random() < trouble.early_share
    return Fate(is_lost, first, second if is_doubled else None, trouble.early_seconds if is_early else 0)


def _wait_seconds(trouble: WebhookTrouble, rng: random.Random) -> float:
    waited = rng.uniform(*trouble.delay_seconds) + rng.random() * trouble.disorder_seconds
    return waited + (_GATHER_SECONDS if trouble.batch > 1 else 0)
