"""Sync the entities of one org in their order: one entity's failure stops only its dependents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.errors import AccessDenied, SyncError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.pass_runner import PassProgress
from openfaith_sync.engine.passes.session import Session


@dataclass(frozen=True, slots=True)
class EntityOutcome:
    """The outcome of one entity: a result, an error, or skipped because of another entity."""

    entity: EntityName
    result: PassResult | None = None
    error: SyncError | None = None
    skipped_because: EntityName | None = None
    is_unavailable: bool = False
    """Whether the connection was never able to read it or one of its hard dependencies; not a failure."""

    @property
    def has_failed(self) -> bool:
        """Return whether the entity failed or was skipped because of a failure."""
        return self.result is None and not self.is_unavailable


def run_org(
    session: Session,
    order: Sequence[EntityName],
    hard: Mapping[EntityName, AbstractSet[EntityName]],
    *,
    mode: SyncMode = SyncMode.AUTO,
    judge: Callable[[EntityName, AccessDenied], Refusal] | None = None,
    refused: Mapping[EntityName, AccessDenied] = MappingProxyType({}),
    on_progress: Callable[[EntityName, PassProgress], None] = lambda _entity, _progress: None,
) -> Iterator[EntityOutcome]:
    """Sync these entities in this order, and yield what became of each as it ends.

    Law 6: an entity whose hard dependency failed or was skipped is skipped; all others go on.
    ``judge`` says whether a refusal is a failure, or of something that was never available.
    ``refused`` are those that are known not to be read, and why: the source is not asked.
    """
    failed: set[EntityName] = set()
    unavailable: set[EntityName] = set()
    for entity in order:
        needed = hard.get(entity, frozenset())
        # A failure may be temporary, so it is named before what was never available.
        missing = sorted(failed & needed) or sorted(unavailable & needed)
        if missing:
            outcome = EntityOutcome(entity, skipped_because=missing[0], is_unavailable=missing[0] in unavailable)
        elif entity in refused:
            outcome = _refused(entity, refused[entity], judge)
        else:
            try:
                result = run_entity(session, entity, mode, partial(on_progress, entity))
                outcome = EntityOutcome(entity, result=result)
            except AccessDenied as error:
                outcome = _refused(entity, error, judge)
            except SyncError as error:
                outcome = EntityOutcome(entity, error=error)
        if outcome.result is None:
            (unavailable if outcome.is_unavailable else failed).add(entity)
        yield outcome


def _refused(
    entity: EntityName, error: AccessDenied, judge: Callable[[EntityName, AccessDenied], Refusal] | None
) -> EntityOutcome:
    if judge is None:
        return EntityOutcome(entity, error=error)
    refusal = judge(entity, error)
    shown = error if refusal.is_chosen else AccessDenied(str(refusal))
    return EntityOutcome(entity, error=shown, is_unavailable=refusal.is_unavailable)
