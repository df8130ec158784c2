"""The entities that an org chooses to sync: modules and entities by name, and what these require.

A module stays a name until it is used, so that an entity that is added to it later is chosen too.
"""

from collections.abc import Iterable, Sequence

from openfaith_sync.domain.errors import NotSelected, UsageError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest

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


def select_entities(manifest: Manifest, only: Sequence[str] | None) -> tuple[EntityName, ...]:
    """Return the entities to sync, in their order: the chosen ones, and those that they cannot be synced without."""
    if only is None:
        return manifest.graph.entities
    chosen = {name for name in manifest.entities if _is_named(manifest, name, only)}
    for name in reversed(manifest.graph.entities):
        if name in chosen:
            chosen |= manifest.graph.hard[name]
    return tuple(name for name in manifest.graph.entities if name in chosen)


def find_required(manifest: Manifest, only: Sequence[str] | None) -> dict[EntityName, list[EntityName]]:
    """Return the entities that nobody chose, each with the selected ones that require it."""
    selected = select_entities(manifest, only)
    return {
        name: [other for other in selected if name in manifest.graph.hard[other]]
        for name in selected
        if only is not None and not _is_named(manifest, name, only)
    }


def find_unselected(manifest: Manifest, only: Sequence[str] | None) -> frozenset[EntityName]:
    """Return the entities that are not synced, because the org chose others."""
    return frozenset(manifest.entities) - set(select_entities(manifest, only)) if only is not None else frozenset()


def not_selected(org: OrgId, adapter: AdapterName, only: Sequence[str] | None, entity: EntityName) -> NotSelected:
    """Return the error for an entity that the org did not choose."""
    fact = f"{adapter}/{entity} is not selected: {org} syncs only {', '.join(only or ())}"
    return NotSelected(fact, f"change it with: openfaith-sync org set {org} --adapter {adapter} --only all")


def describe_selection(manifest: Manifest, only: Sequence[str] | None) -> str:
    """Return what is synced, in words for a person."""
    if only is None:
        return f"all {len(manifest.entities)} entities are synced"
    selected = select_entities(manifest, only)
    also = "".join(f"; {name}, which {_list(by)} requires" for name, by in find_required(manifest, only).items())
    return f"only {', '.join(only)}: {len(selected)} of {len(manifest.entities)} entities are synced{also}"


def _is_named(manifest: Manifest, name: EntityName, only: Sequence[str]) -> bool:
    return name in only or manifest.entities[name].module in only


def _list(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
