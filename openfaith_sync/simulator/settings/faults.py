"""Faults as data: what goes wrong, with which request, how often."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.simulator.settings.record_damage import Odd

FaultKind = Literal[
    "status",
    "html_200",
    "truncated_json",
    "missing_key",
    "wrong_type",
    "stuck_next",
    "empty_page",
    "short_page",
    "repeat_page",
    "lying_total",
    "slow",
    "drip",
    "cut",
    "cut_chunked",
    "reset",
    "outage",
    "bomb",
    "redirect",
    "odd_record",
    "rate",
    "headers",
]

KINDS: Mapping[FaultKind, str] = {
    "status": "an error with this status, body, detail and retry_after; 403 with a path denies one resource",
    "html_200": "a page for people, with status 200",
    "truncated_json": "half of the document, as if it were whole",
    "missing_key": "the document without its key",
    "wrong_type": "a value of a wrong type in the document: wrong",
    "stuck_next": "a next page that is this one",
    "empty_page": "a page without records that looks like the end",
    "short_page": "half a page that looks like the end",
    "repeat_page": "the records of the answer before on the same path",
    "lying_total": "another total_count: total",
    "slow": "the answer after delay_ms",
    "drip": "the body in 20 parts, delay_ms between them",
    "cut": "half a body of stated length, then the end of the connection",
    "cut_chunked": "half a body in chunks without the last one, then the end of the connection",
    "reset": "half a body, then the connection is reset",
    "outage": "the connection is reset before any answer; with after and times, for a span of requests",
    "bomb": "a compressed body of 64 MiB in 64 KiB",
    "rate": "another limit from the next request on: rate; the window goes on with its count",
    "headers": "other words about the limit: says, for limit, period, count, and retry_after of a 429; null for none",
    "odd_record": "one record as none should be, wherever it is shown: record, odd",
    "redirect": "a redirect here (to the same address) or elsewhere: to",
}


class Fault(BaseModel):
    """One thing that goes wrong.

    Requests are counted from the moment the fault is armed, and only those
    whose path holds ``path``. Without ``at`` and ``every`` each of them is hit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: FaultKind
    at: int | None = Field(default=None, ge=1)
    """Hit the n-th request that matches."""
    every: int | None = Field(default=None, ge=1)
    """Hit every k-th request that matches."""
    after: int = Field(default=0, ge=0)
    """Leave so many requests that match alone first; ``at`` and ``every`` count from there."""
    path: str = ""
    """Text the request's path must hold."""
    times: int | None = Field(default=None, ge=1)
    """Hit at most so many requests."""
    status: int | None = Field(default=None, ge=400, le=599)
    """The status of kind `status`."""
    body: Literal["json", "html"] | None = None
    """The body of kind `status`; without one, what is usual for that status."""
    detail: str | None = None
    """The `detail` of a JSON body of kind `status`, such as a hint of a 401."""
    retry_after: int | str | None = None
    """The `Retry-After` header of kind `status`."""
    key: Literal["data", "links", "meta", "included"] = "data"
    """What kind `missing_key` leaves out."""
    wrong: Literal["data_object", "id_number", "attributes_list"] = "data_object"
    """What kind `wrong_type` makes of the answer."""
    record: str = ""
    """The record that kind `odd_record` damages wherever it is shown: its type and id, as in `Person/12`."""
    odd: Odd = "no_id"
    """What kind `odd_record` makes of it."""
    delay_ms: int = Field(default=1000, ge=0)
    """How long kinds `slow` and `drip` wait."""
    total: int = 0
    """What kind `lying_total` says."""
    rate: str | None = None
    """What kind `rate` sets, such as 10/20 or off."""
    says: Mapping[Literal["limit", "period", "count", "retry_after"], str | None] = Field(default_factory=dict)
    """What kind `headers` writes instead of the truth."""
    to: Literal["here", "elsewhere"] = "elsewhere"
    """Where kind `redirect` leads."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.kind == "status") != (self.status is not None):
            raise ValueError("kind status, and only that one, needs a status")
        if (self.kind == "rate") != (self.rate is not None):
            raise ValueError("kind rate, and only that one, needs a rate")
        if self.rate is not None:
            parse_rate(self.rate)
        if self.at is not None and self.every is not None:
            raise ValueError("at and every exclude each other")
        return self


_FAULTS = TypeAdapter(tuple[Fault, ...])


def parse_faults(found: object, source: str) -> tuple[Fault, ...]:
    """Return the faults of a list as it was read.

    Raises:
        UsageError: Something in it is wrong; says what and where.
    """
    try:
        return _FAULTS.validate_python(found)
    except ValidationError as error:
        places = [f"{'.'.join(map(str, problem['loc'])) or '(list)'}: {problem['msg']}" for problem in error.errors()]
        raise UsageError(f"{source} holds wrong faults: " + "; ".join(places)) from None


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Return the faults of a YAML or JSON file.

    Raises:
        UsageError: The file cannot be read or holds wrong faults.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # JSON proper first: YAML refuses tabs that JSON allows.
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as a list of faults: {error}") from None
    return parse_faults(found, str(path))


class ArmedFaults:
    """The faults that wait for their requests."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        """Arm the faults; their counts start now."""
        self._armed = [_Armed(fault) for fault in faults]

    def arm(self, faults: tuple[Fault, ...]) -> None:
        """Add faults; their counts start now."""
        self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Leave no fault."""
        self._armed.clear()

    def __bool__(self) -> bool:
        """Whether any fault is armed."""
        return bool(self._armed)

    def as_json(self) -> list[dict[str, object]]:
        """Return what is armed, each with how many requests it saw and hit."""
        return [
            armed.fault.model_dump(mode="json", exclude_defaults=True) | {"seen": armed.seen, "hits": armed.hits}
            for armed in self._armed
        ]

    def hit(self, path: str) -> Fault | None:
        """Count the request with every fault it matches, and give the first that hits it."""
        hits = [armed for armed in self._armed if armed.matches(path)]
        if not hits:
            return None
        hits[0].hits += 1
        return hits[0].fault


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault, self.seen, self.hits = fault, 0, 0

    def matches(self, path: str) -> bool:
        fault = self.fault
        if fault.path not in path:
            return False
        self.seen += 1
        if fault.times is not None and self.hits >= fault.times:
            return False
        place = self.seen - fault.after
        if place < 1:
            return False
        if fault.at is not None:
            return place == fault.at
        return fault.every is None or place % fault.every == 0
