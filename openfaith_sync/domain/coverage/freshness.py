"""How fresh an entity is and what that costs, in words, as its manifest says it."""

from collections.abc import Iterator

from openfaith_sync.domain.manifest.cadence_keys import NEVER, TimeWindow
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.nested_keys import ParentCondition

_UNITS = {"m": "minute", "h": "hour", "d": "day"}
_EVERY = {"1h": "every hour", "1d": "every day", "7d": "every week", "30d": "every month"}


def freshness(entity: Entity, manifest: Manifest) -> str:
    """Return how soon a change at the source is seen here."""
    leads = _lead(entity, manifest)
    seen = []
    if entity.webhooks:
        seen.append("within seconds by webhook")
    if leads and _rides(entity):
        seen.append(f"with {_names(leads)}")
    elif entity.cadence.delta != NEVER:
        seen.append(_every(entity.cadence.delta))
    if entity.cadence.reconcile != NEVER:
        seen.append(f"compared {_at_night(entity.cadence.reconcile)}")
    return "; ".join(seen)


def cost(entity: Entity, manifest: Manifest) -> str:
    """Return which requests it costs."""
    leads = _lead(entity, manifest)
    if leads and _is_never_listed(entity):
        return f"none: it comes with {_names(leads)}"
    parts = list(_quiet(entity, leads))
    if entity.cadence.reconcile != NEVER:
        parts.append(_compared(entity))
    if entity.cadence.full != NEVER:
        parts.append(f"all pages {_every(entity.cadence.full)}")
    return "; ".join(parts)


def _quiet(entity: Entity, leads: list[str]) -> Iterator[str]:
    nested = entity.nested
    if nested is not None:
        is_one = nested.one or entity.delta.by is not DeltaCapability.NONE
        asked = "one request for each" if is_one else "the list of each"
        if nested.rides:
            yield f"none as long as {_names(leads)} names the same records"
        elif entity.cadence.delta != NEVER:
            yield f"{asked} {entity.parent} {_due(entity)}"
        if nested.when:
            yield f"only those {' and '.join(_condition(each) for each in nested.when)}"
        if nested.freeze:
            days = nested.freeze.after_days
            yield f"none after {nested.freeze.attribute}" + (f" + {days} days" if days else "")
    elif entity.cadence.delta != NEVER:
        yield _listing(entity)


def _due(entity: Entity) -> str:
    triggers = entity.nested.triggers if entity.nested else None
    due = f"whose {', '.join(triggers.attributes)} changed" if triggers and triggers.attributes else "that changed"
    if triggers and triggers.watch:
        due += f", or that a changed {triggers.watch} names"
    if triggers and triggers.poll:
        due += f", and each time for those {' and '.join(_condition(each) for each in triggers.poll)}"
    return due


def _listing(entity: Entity) -> str:
    listings = f"{len(entity.variants)} listings" if entity.variants else "one listing"
    if entity.delta.by is not DeltaCapability.NONE:
        return (
            f"{len(entity.variants)} requests if nothing changed"
            if entity.variants
            else "one request if nothing changed"
        )
    window = entity.cadence.delta_window
    return f"all pages of {listings}{_within(window)}"


def _compared(entity: Entity) -> str:
    if entity.nested:
        every = _at_night(entity.cadence.reconcile)
        return f"the list of each {entity.parent} {every}" if not entity.nested.rides else f"where they differ, {every}"
    return f"all pages {_at_night(entity.cadence.reconcile)}{_within(entity.cadence.reconcile_window)}"


def _within(window: TimeWindow | None) -> str:
    if window is None:
        return ""
    begin = "" if window.from_days is None else f" from {_days(window.from_days)}"
    end = "" if window.to_days is None else f" to {_days(window.to_days)}"
    return f" with {window.attribute}{begin}{end}"


def _days(number: int) -> str:
    return "today" if number == 0 else f"{abs(number)} days {'ago' if number < 0 else 'ahead'}"


def _condition(condition: ParentCondition) -> str:
    if condition.equals is not None:
        shown = str(condition.equals).lower() if isinstance(condition.equals, bool) else condition.equals
        return f"with {condition.attribute} {shown}"
    offset = condition.before if condition.before is not None else condition.after
    side = "before" if condition.before is not None else "after"
    return f"with {condition.attribute} {side} {_offset(offset or '')}"


def _offset(text: str) -> str:
    if text == "history":
        return "the beginning of the history that is kept"
    number, unit = int(text[:-1]), {"d": "days", "m": "months"}[text[-1]]
    return "now" if number == 0 else f"{abs(number)} {unit} {'ago' if number < 0 else 'ahead'}"


def _every(interval: str) -> str:
    number, unit = interval[:-1], _UNITS[interval[-1]]
    return _EVERY.get(interval) or f"every {number} {unit}s"


def _at_night(interval: str) -> str:
    return "every night" if interval == "1d" else _every(interval)


def _lead(entity: Entity, manifest: Manifest) -> list[str]:
    """Return the entities whose records bring this one's."""
    return [name for name, other in manifest.entities.items() if entity.name in other.sideload.values()]


def _rides(entity: Entity) -> bool:
    """Return whether its records are seen with others', and not by asking for them."""
    return _is_never_listed(entity) or (entity.nested is not None and entity.nested.rides)


def _is_never_listed(entity: Entity) -> bool:
    return entity.cadence.delta == NEVER and entity.cadence.reconcile == NEVER


def _names(names: list[str]) -> str:
    return " and ".join(names)
