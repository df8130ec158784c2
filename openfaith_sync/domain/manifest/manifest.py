"""A manifest: the description of one external system, as frozen values.

Keys that all its entities share are in ``adapter_file.py``; each module file contains
entities (``entity.py``). ``adapters/manifest_reader`` reads the files; this package only
defines what a valid manifest is.
"""

import hashlib
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, Self

from pydantic import PrivateAttr

from openfaith_sync.domain.ids import AdapterName, EntityName
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, build_graph
from openfaith_sync.domain.manifest.dialect_files import AnyAdapterFile
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.model import ManifestModel
from openfaith_sync.domain.manifest.paging import Paging


class Manifest(ManifestModel):
    """A complete manifest: an adapter and all its entities, with names resolved."""

    adapter_file: AnyAdapterFile
    entities: dict[EntityName, Entity]
    _fingerprints: dict[EntityName, tuple[AnyAdapterFile, Entity, str]] = PrivateAttr(default_factory=dict)

    def paging_of(self, entity: EntityName) -> Paging:
        """Return how the listing of an entity is paged."""
        paging, size = self.adapter_file.paging, self.entities[entity].page_size
        return paging if size is None else paging.model_copy(update={"size": size})

    @property
    def adapter(self) -> AdapterName:
        """Return the adapter's name."""
        return AdapterName(self.adapter_file.adapter)

    @cached_property
    def graph(self) -> DependencyGraph:
        """Return the dependency graph, computed once.

        Raises:
            DefinitionError: Hard dependencies form a cycle.
        """
        return build_graph(self.adapter_file, self.entities)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a changed copy, without values cached from the original."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("graph", "fingerprint"):
            copied.__dict__.pop(name, None)
        return copied

    def with_renamed_columns(self, renamed: Mapping[EntityName, Mapping[str, str]]) -> Self:
        """Return the manifest with other names for columns of source tables, by entity.

        Its fingerprints stay: where a database keeps an attribute says nothing of the source.
        """
        return self._with_same_fingerprints(
            {name: self.entities[name].with_renamed_columns(columns) for name, columns in renamed.items() if columns}
        )

    def without_sideloads(self, children: Collection[EntityName]) -> Self:
        """Return the manifest without these entities among those that are read together with others.

        Its fingerprints stay: an org that chooses fewer children has nothing to read again.
        """
        changed = {
            name: entity.model_copy(update={"sideload": _without(entity.sideload, children)})
            for name, entity in self.entities.items()
            if children and set(children) & set(map(EntityName, entity.sideload.values()))
        }
        return self._with_same_fingerprints(changed)

    def _with_same_fingerprints(self, changed: Mapping[EntityName, Entity]) -> Self:
        """Return the manifest with some entities changed in what does not affect what is stored."""
        if not changed:
            return self
        copied = self.model_copy(update={"entities": {**self.entities, **changed}})
        copied.__dict__["fingerprint"] = self.fingerprint
        copied._fingerprints = {  # noqa: SLF001  a copy of our own
            name: (self.adapter_file, entity, self.entity_fingerprint(name)) for name, entity in copied.entities.items()
        }
        return copied

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash that changes if and only if the manifest changes."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def entity_fingerprint(self, name: EntityName) -> str:
        """Return a hash that changes if and only if the keys of this entity, or those of the adapter, change."""
        adapter_file, entity = self.adapter_file, self.entities[name]
        known = self._fingerprints.get(name)
        # Hashing takes a millisecond, and every sync of an entity needs it more than once. A copy with other
        # parts shares the dictionary, so a cached hash is only used for identical parts.
        if known is None or known[0] is not adapter_file or known[1] is not entity:
            text = adapter_file.model_dump_json() + entity.model_dump_json()
            known = (adapter_file, entity, hashlib.sha256(text.encode()).hexdigest()[:16])
            self._fingerprints[name] = known
        return known[2]


def _without(sideload: Mapping[str, str], children: Collection[str]) -> dict[str, str]:
    """Return what is sideloaded without these children, and without what would come with them."""
    return {
        path: child
        for path, child in sideload.items()
        if child not in children and sideload.get(path.partition(".")[0]) not in children
    }
