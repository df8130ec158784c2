"""The intervals that a person chooses for single entities: ``donation=1h,person.reconcile=7d,fund=default``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.cadence_keys import NEVER, parse_interval
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.cadences import DAY, OwnIntervals
from openfaith_sync.domain.schedule.due_work import ALL, WorkMode

DEFAULT = "default"
KINDS: Mapping[str, WorkMode] = {
    "delta": WorkMode.DELTA,
    "reconcile": WorkMode.RECONCILIATION,
    "full": WorkMode.FULL,
}
"""What has an interval, by its name in manifests."""
SHORTEST: Mapping[WorkMode, timedelta] = {
    WorkMode.DELTA: timedelta(minutes=1),
    WorkMode.RECONCILIATION: DAY,
    WorkMode.FULL: DAY,
}

_ITEM = re.compile(r"(?P<entity>[a-z0-9_]+)(\.(?P<kind>[a-z_]+))?=(?P<interval>\S+)")
_INTERVAL = re.compile(rf"{NEVER}|[1-9]\d{{0,3}}[mhd]")


@dataclass(slots=True)
class ChosenIntervals:
    """What a person chose."""

    own: dict[tuple[EntityName, WorkMode], timedelta | None] = field(default_factory=dict)
    usual: list[tuple[EntityName, WorkMode]] = field(default_factory=list)
    """What has the manifest's interval again."""


def parse_cadences(manifest: Manifest, text: str) -> ChosenIntervals:
    """Return the intervals that a list names.

    Raises:
        UsageError: An entry names no entity of the manifest, nothing that has an interval, or no interval.
    """
    chosen = ChosenIntervals()
    for item in filter(None, (part.strip() for part in text.split(","))):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise UsageError(
                f"expected ENTITY=INTERVAL or ENTITY.reconcile=INTERVAL, such as donation=1h; found {item!r}"
            )
        entity, kind, interval = found["entity"], found["kind"] or "delta", found["interval"]
        if entity not in manifest.entities:
            raise UsageError(f"there is no entity {entity!r} in the {manifest.adapter} manifest")
        if kind not in KINDS:
            raise UsageError(f"expected {entity}.delta, {entity}.reconcile or {entity}.full; found {entity}.{kind}")
        key = EntityName(entity), KINDS[kind]
        if interval == DEFAULT:
            chosen.usual.append(key)
        else:
            chosen.own[key] = _parse(item, KINDS[kind], interval)
    if not chosen.own and not chosen.usual:
        raise UsageError("expected at least one ENTITY=INTERVAL, such as donation=1h")
    return chosen


def format_cadences(own: OwnIntervals) -> dict[str, str]:
    """Return an org's intervals of single entities as they are written: ``{"person.reconcile": "7d"}``."""
    names = {mode: name for name, mode in KINDS.items()}
    return {
        f"{entity}.{names[mode]}": format_interval(every)
        for (entity, mode), every in sorted(own.items())
        if entity != ALL and mode in names
    }


def format_interval(every: timedelta | None) -> str:
    """Return an interval as it is written in manifests."""
    if every is None:
        return NEVER
    minutes = every // timedelta(minutes=1)
    return next(f"{minutes // size}{unit}" for unit, size in (("d", 1440), ("h", 60), ("m", 1)) if minutes % size == 0)


def _parse(item: str, mode: WorkMode, interval: str) -> timedelta | None:
    if not _INTERVAL.fullmatch(interval):
        raise UsageError(f"expected an interval such as 15m, 2h, 7d, never or {DEFAULT}; found {item!r}")
    every = parse_interval(interval)
    if every is not None and every < SHORTEST[mode]:
        raise UsageError(f"expected days, such as 7d, since records are compared at night; found {item!r}")
    return every
