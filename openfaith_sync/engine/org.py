"""Syncs the entities of one org in their order: one entity's failure stops only its dependents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType

from openfaith_sync.domain.errors import AccessDenied, SyncError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest import Manifest
from openfaith_sync.domain.passes import PassResult, SyncMode
from openfaith_sync.engine.needs import Source, Store
from openfaith_sync.engine.sync import SyncRequest, run_entity
from openfaith_sync.engine.walking import Progress


@dataclass(frozen=True, slots=True)
class EntityOutcome:
    """What became of one entity: a result, an error, or skipped because of another."""

    entity: EntityName
    result: PassResult | None = None
    error: SyncError | None = None
    skipped_because: EntityName | None = None


def run_org(
    manifest: Manifest,
    order: Sequence[EntityName],
    hard: Mapping[EntityName, AbstractSet[EntityName]],
    source: Source,
    store: Store,
    org: OrgId,
    *,
    mode: SyncMode = SyncMode.AUTO,
    trigger: str = "cli",
    refused: Mapping[EntityName, str] = MappingProxyType({}),
    on_progress: Callable[[EntityName, Progress], None] = lambda _entity, _progress: None,
) -> Iterator[EntityOutcome]:
    """Sync these entities in this order, and tell of each as it ends.

    ``refused`` are those that the source is known to refuse, and why: it is not asked.
    Law 6: an entity whose hard dependency failed or was skipped is skipped; all others go on.
    """
    not_synced: set[EntityName] = set()
    for entity in order:
        missing = sorted(not_synced & hard.get(entity, frozenset()))
        if missing:
            not_synced.add(entity)
            yield EntityOutcome(entity, skipped_because=missing[0])
            continue
        if entity in refused:
            not_synced.add(entity)
            yield EntityOutcome(
                entity, error=AccessDenied(f"{manifest.adapter}/{entity} is not read: {refused[entity]}")
            )
            continue
        request = SyncRequest(org, entity, mode, trigger)
        try:
            result = run_entity(manifest, source, store, request, lambda p, e=entity: on_progress(e, p))  # type: ignore[misc]
        except SyncError as error:
            not_synced.add(entity)
            yield EntityOutcome(entity, error=error)
            continue
        yield EntityOutcome(entity, result=result)
