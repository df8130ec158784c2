"""Read the lists that events have made due, in the run that processed the events.

A delta would find them too, up to a quarter of an hour later.
"""

from collections.abc import Collection, Iterator

from openfaith_sync.domain.errors import LeaseHeld, LeaseLost, ReconnectRequired, SafetyStop, SyncError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.records.nesting import ParentScope, build_nesting
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session

MOST_LISTS = 50
"""More lists of an entity are left to its next delta: they would keep other events waiting."""


def named_by_events(manifest: Manifest, parent: EntityName) -> Iterator[EntityName]:
    """Yield the nested entities whose lists an event for a parent makes due."""
    for entity in manifest.entities.values():
        if entity.parent == parent and entity.nested is not None and entity.nested.triggers.webhook:
            yield entity.name


class TriggeredLists:
    """The lists that are due after some entities' records were read."""

    def __init__(self, session: Session) -> None:
        """Read lists of the session's org."""
        self._session = session
        self.stop: SafetyStop | None = None
        """Why deletions wait for a person; everything else is done."""

    def run(self, touched: Collection[EntityName], deleted_from: Collection[EntityName] = ()) -> Iterator[PassResult]:
        """Read the lists that are due below these entities, then those below what was read, and yield the results.

        What stood below records that were deleted, of the entities ``deleted_from``, is confirmed as gone too.
        What cannot be read now stays due.

        Raises:
            ReconnectRequired: The credentials are refused.
            LeaseLost: Another worker took over.
        """
        changed, losing = set(touched), set(deleted_from)
        for name in self._session.manifest.graph.entities:
            entity = self._session.manifest.entities[name]
            if not _may_be_due(entity, changed) or name in self._session.unselected:
                continue
            if self._has_few(entity, has_lost_parents=entity.parent in losing):
                result = self._read(name)
                if result is not None:
                    changed.add(name)
                    losing |= {name} if result.counts.tombstoned else set()
                    yield result

    def _has_few(self, entity: Entity, *, has_lost_parents: bool) -> bool:
        """Return whether lists are due, not too many, of an entity that was synced and that no pass is reading."""
        session, key = self._session, self._session.key(entity.name)
        checkpoint = session.store.load_checkpoint(key)
        is_current = checkpoint.manifest_version == session.manifest.entity_fingerprint(entity.name)
        if checkpoint.completed_at is None or checkpoint.open_pass is not None or not is_current:
            return False
        nesting = build_nesting(session.manifest, entity)
        due = session.store.load_due_parents(key, nesting, ParentScope.TRIGGERED, MOST_LISTS + 1)
        if nesting.asks_every_parent and (due or has_lost_parents):
            # Its delta asks all of them.
            due = session.store.load_due_parents(key, nesting, ParentScope.ASKED, MOST_LISTS + 1)
        return (has_lost_parents or bool(due)) and len(due) <= MOST_LISTS

    def _read(self, name: EntityName) -> PassResult | None:
        try:
            return run_entity(self._session, name, SyncMode.DELTA)
        except (ReconnectRequired, LeaseLost):
            raise
        except SafetyStop as stop:
            self.stop = self.stop or stop
        except (LeaseHeld, SyncError):
            # Another worker is at it, or the delta that follows fails in the same way and shows it.
            pass
        return None


def _may_be_due(entity: Entity, changed: Collection[EntityName]) -> bool:
    nested = entity.nested
    return nested is not None and (entity.parent in changed or nested.triggers.watch in changed)
