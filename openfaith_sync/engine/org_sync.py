"""Sync the entities of one org in their order: one entity's failure stops only its dependents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.errors import AccessDenied, SyncError, TransientError
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
    refusal: Refusal | None = None
    """The source's refusal, if that is why it is not available."""

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

    ``judge`` says whether a refusal is a failure, or of something that was never available.
    ``refused`` are those that are known not to be read, and why: the source is not asked.
    """

    def sync(entity: EntityName) -> EntityOutcome:
        if entity in refused:
            return _refused(entity, refused[entity], judge)
        try:
            return EntityOutcome(entity, result=run_entity(session, entity, mode, partial(on_progress, entity)))
        except AccessDenied as error:
            return _refused(entity, error, judge)
        except SyncError as error:
            return EntityOutcome(entity, error=error)

    return sync_in_order(order, hard, sync)


def sync_in_order(
    order: Sequence[EntityName],
    hard: Mapping[EntityName, AbstractSet[EntityName]],
    sync: Callable[[EntityName], EntityOutcome],
    wait_for_another_try: Callable[[Sequence[EntityOutcome]], bool] | None = None,
) -> Iterator[EntityOutcome]:
    """Call ``sync`` for these entities in this order, and yield what became of each as it ends.

    Law 6: an entity whose hard dependency failed or was skipped is skipped; all others go on.
    Entities that failed temporarily, and those skipped because of them, are tried again after all others as long
    as ``wait_for_another_try`` returns true for them.
    """
    failed: set[EntityName] = set()
    unavailable: set[EntityName] = set()
    while order:
        postponed: list[EntityOutcome] = []
        for entity in order:
            outcome = _skipped(entity, hard.get(entity, frozenset()), failed, unavailable) or sync(entity)
            if outcome.result is None:
                (unavailable if outcome.is_unavailable else failed).add(entity)
            if wait_for_another_try is not None and _is_temporary(outcome, postponed):
                postponed.append(outcome)
            else:
                yield outcome
        order = [outcome.entity for outcome in postponed]
        if wait_for_another_try is None or not order or not wait_for_another_try(postponed):
            yield from postponed
            return
        failed -= set(order)


def _skipped(
    entity: EntityName,
    needed: AbstractSet[EntityName],
    failed: AbstractSet[EntityName],
    unavailable: AbstractSet[EntityName],
) -> EntityOutcome | None:
    # A failure may be temporary, so it is named before what was never available.
    missing = sorted(failed & needed) or sorted(unavailable & needed)
    if not missing:
        return None
    return EntityOutcome(entity, skipped_because=missing[0], is_unavailable=missing[0] in unavailable)


def _is_temporary(outcome: EntityOutcome, postponed: Sequence[EntityOutcome]) -> bool:
    is_behind = any(outcome.skipped_because == other.entity for other in postponed)
    return is_behind or isinstance(outcome.error, TransientError)


def _refused(
    entity: EntityName, error: AccessDenied, judge: Callable[[EntityName, AccessDenied], Refusal] | None
) -> EntityOutcome:
    if judge is None:
        return EntityOutcome(entity, error=error)
    refusal = judge(entity, error)
    shown = error if refusal.is_chosen else AccessDenied(str(refusal))
    return EntityOutcome(entity, error=shown, is_unavailable=refusal.is_unavailable, refusal=refusal)
