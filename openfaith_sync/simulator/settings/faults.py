"""Faults as data: what goes wrong, with which request, how often."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.simulator.settings.record_damage import DamageKind

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
    "wrong_total",
    "slow",
    "drip",
    "cut",
    "cut_chunked",
    "reset",
    "outage",
    "bomb",
    "redirect",
    "damaged_record",
    "rate",
    "headers",
]

KINDS: Mapping[FaultKind, str] = {
    "status": "an error with this status, body, detail and retry_after; 403 with a path denies one resource",
    "html_200": "an HTML page with status 200",
    "truncated_json": "half of the document, sent as if complete",
    "missing_key": "the document without its key",
    "wrong_type": "a value of the wrong type in the document: wrong",
    "stuck_next": "a next link that points to the same page",
    "empty_page": "a page without records that looks like the end",
    "short_page": "half a page that looks like the end",
    "repeat_page": "the records of the previous response on the same path",
    "wrong_total": "a false total_count: total",
    "slow": "the response after delay_ms",
    "drip": "the body in 20 parts, delay_ms apart",
    "cut": "half a body with a Content-Length, then the connection closes",
    "cut_chunked": "half a chunked body without the last chunk, then the connection closes",
    "reset": "half a body, then a connection reset",
    "outage": "a connection reset before any response; with after and times, for a range of requests",
    "bomb": "a compressed body of 64 MiB in 64 KiB",
    "rate": "another rate limit from the next request on: rate; the current window keeps its count",
    "headers": "false rate limit headers: values, for limit, period, count, and retry_after of a 429; null omits one",
    "damaged_record": "one damaged record, wherever it appears: record, damage",
    "redirect": "a redirect to the same URL (here) or to another host (elsewhere): to",
}


class Fault(BaseModel):
    """One thing that goes wrong.

    Requests are counted from the moment the fault is armed, and only those
    whose path contains ``path``. Without ``at`` and ``every``, each of them is hit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: FaultKind
    at: int | None = Field(default=None, ge=1)
    """Hit the n-th matching request."""
    every: int | None = Field(default=None, ge=1)
    """Hit every k-th matching request."""
    after: int = Field(default=0, ge=0)
    """Skip this many matching requests first; ``at`` and ``every`` count from there."""
    path: str = ""
    """Text that the request's path must contain."""
    times: int | None = Field(default=None, ge=1)
    """Hit at most this many requests."""
    status: int | None = Field(default=None, ge=400, le=599)
    """The status of kind `status`."""
    body: Literal["json", "html"] | None = None
    """The body of kind `status`; by default the usual one for that status."""
    detail: str | None = None
    """The `detail` of a JSON body of kind `status`, such as a hint of a 401."""
    retry_after: int | str | None = None
    """The `Retry-After` header of kind `status`."""
    key: Literal["data", "links", "meta", "included"] = "data"
    """The key that kind `missing_key` leaves out."""
    wrong: Literal["data_object", "id_number", "attributes_list"] = "data_object"
    """What kind `wrong_type` changes in the response."""
    record: str = ""
    """The record that kind `damaged_record` damages wherever it appears: its type and id, as in `Person/12`."""
    damage: DamageKind = "no_id"
    """How kind `damaged_record` damages it."""
    delay_ms: int = Field(default=1000, ge=0)
    """How long kinds `slow` and `drip` wait."""
    total: int = 0
    """The `total_count` that kind `wrong_total` sends."""
    rate: str | None = None
    """The limit that kind `rate` sets, such as 10/20 or off."""
    values: Mapping[Literal["limit", "period", "count", "retry_after"], str | None] = Field(default_factory=dict)
    """The values that kind `headers` sends instead of the true ones."""
    to: Literal["here", "elsewhere"] = "elsewhere"
    """Where kind `redirect` leads."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.kind == "status") != (self.status is not None):
            raise ValueError("kind status requires a status; other kinds do not take one")
        if (self.kind == "rate") != (self.rate is not None):
            raise ValueError("kind rate requires a rate; other kinds do not take one")
        if self.rate is not None:
            parse_rate(self.rate)
        if self.at is not None and self.every is not None:
            raise ValueError("at and every are mutually exclusive")
        return self


_FAULTS = TypeAdapter(tuple[Fault, ...])


def parse_faults(faults: object, source: str) -> tuple[Fault, ...]:
    """Parse a list of faults as it was read.

    Raises:
        UsageError: The list is invalid; the message says what is wrong and where.
    """
    try:
        return _FAULTS.validate_python(faults)
    except ValidationError as error:
        places = [f"{'.'.join(map(str, problem['loc'])) or '(list)'}: {problem['msg']}" for problem in error.errors()]
        raise UsageError(f"{source} contains invalid faults: " + "; ".join(places)) from None


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Read the faults of a YAML or JSON file.

    Raises:
        UsageError: The file cannot be read or contains invalid faults.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # JSON files are parsed as JSON: YAML refuses tabs that JSON allows.
        faults = json.loads(text) if path.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
    except (OSError, ValueError, YAMLError) as error:
        raise UsageError(f"{path} cannot be read as a list of faults: {error}") from None
    return parse_faults(faults, str(path))


class ArmedFaults:
    """Faults that are waiting for matching requests."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        """Arm the faults; their counts start now."""
        self._armed = [_Armed(fault) for fault in faults]

    def arm(self, faults: tuple[Fault, ...]) -> None:
        """Add faults; their counts start now."""
        self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Remove all faults."""
        self._armed.clear()

    def __bool__(self) -> bool:
        """Return whether any fault is armed."""
        return bool(self._armed)

    def as_json(self) -> list[dict[str, object]]:
        """Return the armed faults, each with how many requests it has seen and hit."""
        return [
            armed.fault.model_dump(mode="json", exclude_defaults=True) | {"seen": armed.seen, "hits": armed.hits}
            for armed in self._armed
        ]

    def hit(self, path: str) -> Fault | None:
        """Count the request for every fault that it matches, and return the first fault that hits it."""
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
