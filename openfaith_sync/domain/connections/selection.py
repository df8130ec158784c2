"""The entities that an org chooses to sync: modules and entities by name, and what these require.

A module stays a name until it is used, so that an entity that is added to it later is chosen too. A sensitive or
optional entity is synced only if it is turned on by its own name, whatever else is chosen.
"""

from collections.abc import Collection, Iterable, Sequence

from openfaith_sync.domain.errors import NotSelected, UsageError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest

NONE = "none"
"""In place of names: no sensitive entity."""

ALL = "all"
"""In place of names: every entity, including those that the manifest gains later."""


def parse_selection(manifest: Manifest, text: str) -> tuple[str, ...] | None:
    """Return the modules and entities in a list separated by commas; ``None`` for all.

    Raises:
        UsageError: The manifest has no such module or entity, or none is named.
    """
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if names == [ALL]:
        return None
    modules = {entity.module for entity in manifest.entities.values()}
    unknown = [name for name in names if name not in modules and EntityName(name) not in manifest.entities]
    if unknown or not names:
        found = f"{unknown[0]!r}" if unknown else "nothing"
        raise UsageError(
            f"expected {ALL}, or modules and entities of the {manifest.adapter} manifest; found {found}; it has the "
            f"modules {', '.join(sorted(modules))} and the entities {', '.join(sorted(manifest.entities))}"
        )
    return tuple(names)


def parse_sensitive(manifest: Manifest, text: str) -> tuple[EntityName, ...]:
    """Return the sensitive and optional entities in a list separated by commas; none for ``none``.

    A module stands for all of its sensitive ones, but not for optional ones: those cost many requests.

    Raises:
        UsageError: The manifest has no such entity, or it is neither.
    """
    names = list(dict.fromkeys(EntityName(part.strip()) for part in text.split(",") if part.strip()))
    sensitive = [name for name in manifest.entities if _needs_turning_on(manifest, name)]
    if names == [NONE]:
        return ()
    for module in {manifest.entities[name].module for name in sensitive} & set(names):
        place = names.index(EntityName(module))
        names[place : place + 1] = [
            name
            for name in sensitive
            if manifest.entities[name].module == module and not manifest.entities[name].optional
        ]
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in sensitive]
    if unknown or not names:
        found = f"{unknown[0]!r}" if unknown else "nothing"
        has = f"it has {', '.join(sorted(sensitive))}" if sensitive else "it has none"
        which = f"sensitive or optional entities of the {manifest.adapter} manifest"
        raise UsageError(f"expected {NONE}, or {which}; found {found}; {has}")
    return tuple(names)


def find_off(manifest: Manifest, sensitive: Collection[str]) -> dict[EntityName, EntityName]:
    """Return the entities that are not synced until a sensitive or optional one is turned on, each with that one."""
    off: dict[EntityName, EntityName] = {}
    for name in manifest.graph.entities:
        if _needs_turning_on(manifest, name) and name not in sensitive:
            off[name] = name
        elif needed := sorted(manifest.graph.hard[name] & off.keys()):
            off[name] = off[needed[0]]
    return off


def select_entities(
    manifest: Manifest, only: Sequence[str] | None, sensitive: Collection[str]
) -> tuple[EntityName, ...]:
    """Return the entities to sync, in their order: the chosen ones, and those that they cannot be synced without.

    ``sensitive`` are the sensitive and optional entities that are turned on.
    """
    chosen = {name for name in manifest.entities if only is None or _is_named(manifest, name, only)}
    for name in reversed(manifest.graph.entities):
        if name in chosen:
            chosen |= manifest.graph.hard[name]
    off = find_off(manifest, sensitive)
    return tuple(name for name in manifest.graph.entities if name in chosen and name not in off)


def find_required(
    manifest: Manifest, only: Sequence[str] | None, sensitive: Collection[str]
) -> dict[EntityName, list[EntityName]]:
    """Return the entities that nobody chose, each with the selected ones that require it."""
    selected = select_entities(manifest, only, sensitive)
    return {
        name: [other for other in selected if name in manifest.graph.hard[other]]
        for name in selected
        if only is not None and not _is_named(manifest, name, only)
    }


def find_unselected(
    manifest: Manifest, only: Sequence[str] | None, sensitive: Collection[str]
) -> frozenset[EntityName]:
    """Return the entities that are not synced, because the org chose others or did not turn them on."""
    return frozenset(manifest.entities) - set(select_entities(manifest, only, sensitive))


def explain_unselected(
    manifest: Manifest, org: OrgId, only: Sequence[str] | None, sensitive: Collection[str]
) -> dict[EntityName, NotSelected]:
    """Return each entity that is not synced, and the error that says why and what changes it."""
    off = find_off(manifest, sensitive)
    change = f"openfaith-sync org set {org} --adapter {manifest.adapter}"
    found = {}
    for name in find_unselected(manifest, only, sensitive):
        label = f"{manifest.adapter}/{name}"
        if name in off:
            also = "" if off[name] == name else f" requires {off[name]}, which"
            kind = "optional" if manifest.entities[off[name]].sensitivity.is_granted else "sensitive"
            fact = f"{label}{also} is {kind} and {org} has not turned it on"
            found[name] = NotSelected(
                fact, f"turn it on with: {change} --sensitive {','.join([*sensitive, off[name]])}"
            )
        else:
            fact = f"{label} is not selected: {org} syncs only {', '.join(only or ())}"
            found[name] = NotSelected(fact, f"change it with: {change} --only all")
    return found


def describe_selection(manifest: Manifest, only: Sequence[str] | None, sensitive: Collection[str]) -> str:
    """Return what is synced, in words for a person."""
    selected, off = select_entities(manifest, only, sensitive), find_off(manifest, sensitive)
    required = find_required(manifest, only, sensitive).items()
    also = "".join(f"; {name}, which {_list(by)} requires" for name, by in required)
    for kind, is_of_it in (("sensitive", False), ("optional", True)):
        names = [name for name, on in off.items() if manifest.entities[on].sensitivity.is_granted is is_of_it]
        also += f"; {kind} ones are off: {', '.join(names)}" if names else ""
    if only is None and not off:
        return f"all {len(manifest.entities)} entities are synced"
    which = "all" if only is None else f"only {', '.join(only)}"
    return f"{which}: {len(selected)} of {len(manifest.entities)} entities are synced{also}"


def _needs_turning_on(manifest: Manifest, name: EntityName) -> bool:
    entity = manifest.entities[name]
    return entity.optional or not entity.sensitivity.is_granted


def _is_named(manifest: Manifest, name: EntityName, only: Sequence[str]) -> bool:
    return name in only or manifest.entities[name].module in only


def _list(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
