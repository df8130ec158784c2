"""Reads a manifest folder, and reports all its mistakes at once, by file and line."""

from collections.abc import Container, Iterator
from pathlib import Path

from openfaith_sync.adapters.manifest_reader.file_reader import ManifestFile, read_adapter_file, read_file
from openfaith_sync.adapters.manifest_reader.manifest_cache import cached
from openfaith_sync.adapters.manifest_reader.manifest_mistakes import (
    WHOLE_FILE,
    ManifestMistakes,
    Mistake,
    mistake_at,
    problem_at,
)
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.dialect_checks import dialect_problems
from openfaith_sync.domain.manifest.entity import Entity, ModuleFile, complete_entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.problem import ImpossibleMapping, Key
from openfaith_sync.domain.manifest.source_columns import source_problems
from openfaith_sync.domain.mapping.mapping import build_mapper

ADAPTER_FILE = "adapter.yaml"


def list_adapters(root: Path) -> list[str]:
    """Return the names of the adapters that have a manifest folder below ``root``."""
    return sorted({path.parent.name for path in root.glob("*/*.yaml")})


def read_manifest(root: Path, adapter: str) -> Manifest:
    """Return the checked manifest of an adapter; the same object as before while its files are the same.

    Raises:
        UsageError: No manifest folder has this name.
        ManifestMistakes: The files have mistakes; the error lists all of them.
    """
    known = list_adapters(root)
    if adapter not in known:
        names = ", ".join(known) or f"none (is {root} the right folder? see OPENFAITH_MANIFESTS)"
        raise UsageError(f"there is no adapter {adapter!r}; the known ones: {names}")
    return cached(root / adapter, lambda: _read_folder(root / adapter))


def _read_folder(folder: Path) -> Manifest:
    adapter, mistakes = folder.name, list[Mistake]()
    head = read_adapter_file(folder / ADAPTER_FILE, mistakes)
    paths = sorted(path for path in folder.glob("*.yaml") if path.name != ADAPTER_FILE)
    modules = [file for path in paths if (file := read_file(path, ModuleFile, mistakes))]
    if not paths:
        mistakes.append(Mistake(str(folder), 1, WHOLE_FILE, "no module file", "at least one, such as people.yaml"))
    mistakes.extend(_reference_mistakes(modules))
    entities: dict[EntityName, Entity] = {}
    if head:
        for file in modules:
            mistakes.extend(_dialect_mistakes(file, head))
    if head and head.content:
        mistakes.extend(_name_mistakes(head, adapter))
        declared = {str(name) for file in modules for name in _entity_names(file)}
        for file in modules:
            mistakes.extend(_add_entities(file, head.content, declared, entities))
            mistakes.extend(_mapping_mistakes(file, AdapterName(adapter), entities))
        mistakes.extend(_same_tables(modules, entities))
    if mistakes or head is None or head.content is None:
        raise ManifestMistakes(mistakes)
    return Manifest.model_validate({"adapter_file": head.content, "entities": entities})


def _name_mistakes(head: ManifestFile[AdapterFile], adapter: str) -> Iterator[Mistake]:
    if head.content and head.content.adapter != adapter:
        yield mistake_at(head.path, head.text, ("adapter",), f"{adapter!r}, the folder's name")


def _add_entities(
    file: ManifestFile[ModuleFile], head: AdapterFile, known: Container[str], entities: dict[EntityName, Entity]
) -> Iterator[Mistake]:
    """Add a module's entities, completed; yield what is wrong."""
    module = file.content
    if module is None:
        return
    product = head.products.get(module.product)
    if product is None:
        names = ", ".join(head.products)
        yield mistake_at(file.path, file.text, ("product",), f"a product of {ADAPTER_FILE}: {names}")
        return
    for name, part in module.entities.items():
        if (other := entities.get(EntityName(name))) is not None:
            expected = f"a name that module {other.module} has not taken"
            yield mistake_at(file.path, file.text, ("entities", name), expected, repr(name))
            continue
        problems = list(source_problems(part, head.adapter, name))
        yield from (problem_at(file.path, file.text, ("entities", name), problem) for problem in problems)
        if not problems:
            entities[EntityName(name)] = complete_entity(part, name, head.adapter, module.module, product, known)


def _same_tables(modules: list[ManifestFile[ModuleFile]], entities: dict[EntityName, Entity]) -> Iterator[Mistake]:
    """Yield a mistake for each entity whose table or view would have the name of another one's."""
    taken: dict[str, Entity] = {}
    for file in modules:
        for name in file.content.entities if file.content else ():
            entity = entities.get(EntityName(name))
            if entity is None:
                continue
            other = taken.setdefault(entity.source_name, entity)
            if other is not entity:
                expected = f"the key plural with another name: {other.name} has {entity.adapter}.{entity.source_name}"
                yield mistake_at(file.path, file.text, ("entities", name, "plural"), expected)


def _dialect_mistakes(file: ManifestFile[ModuleFile], head: ManifestFile[AdapterFile]) -> Iterator[Mistake]:
    """Yield the mistakes in a module's entities that are specific to the adapter's dialect."""
    dialect = str(head.text.found.get("dialect"))
    for name, entity in file.content.entities.items() if file.content else ():
        for problem in dialect_problems(dialect, head.content, entity):
            yield problem_at(file.path, file.text, ("entities", name), problem)


def _mapping_mistakes(
    file: ManifestFile[ModuleFile], adapter: AdapterName, entities: dict[EntityName, Entity]
) -> Iterator[Mistake]:
    """Yield the mistakes that prevent the mappings of a module's entities from compiling."""
    for name in file.content.entities if file.content else ():
        entity = entities.get(EntityName(name))
        try:
            if entity is not None:
                build_mapper(entity, OrgId("check"), adapter)
        except ImpossibleMapping as error:
            yield problem_at(file.path, file.text, ("entities",), error.problem)


def _reference_mistakes(modules: list[ManifestFile[ModuleFile]]) -> Iterator[Mistake]:
    # Names come from the texts, not the models: a mistake in one entity must not make
    # every reference to it a mistake too.
    names = sorted({str(name) for file in modules for name in _entity_names(file)})
    for file in modules:
        for key, other in _references(file.content):
            if other not in names:
                expected = f"an entity of this adapter: {', '.join(names)}"
                yield mistake_at(file.path, file.text, key, expected, repr(other))


def _entity_names(file: ManifestFile[ModuleFile]) -> list[str]:
    entities = file.text.found.get("entities")
    return list(entities) if isinstance(entities, dict) else []


def _references(module: ModuleFile | None) -> Iterator[tuple[Key, str]]:
    for name, entity in module.entities.items() if module else ():
        base = ("entities", name)
        for include, child in entity.sideload.items():
            yield (*base, "sideload", include), child
        for strength in ("hard", "soft"):
            for position, other in enumerate(getattr(entity.depends_on, strength)):
                yield (*base, "depends_on", strength, str(position)), other
