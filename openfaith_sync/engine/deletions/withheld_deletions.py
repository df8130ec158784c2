"""Decide which of the deletions that events announce are made now, and which wait for a person.

Each is proven by a 404 of its own, but many at once are still something that a person should
review: they count toward the same limits, over the same windows, as what reconciliations find missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.deletions import Candidate, Hold
from openfaith_sync.domain.passes.passes import Lease, PassId, Tombstone
from openfaith_sync.engine.ports.store import Store


@dataclass(frozen=True, slots=True)
class RequestedDeletion:
    """A record that an event reports as deleted and that the source answers 404 for."""

    tombstone: Tombstone
    parent: ExternalId | None
    """The parent below which it was read, where it is nested."""
    is_live: bool
    """Whether it is stored and not tombstoned; a tombstone for a record that was never stored deletes nothing."""


@dataclass(slots=True)
class AllowedDeletions:
    """The deletions that may be made, and the holds of the others."""

    tombstones: list[Tombstone] = field(default_factory=list)
    holds: dict[EntityName, Hold] = field(default_factory=dict)
    """By entity, the hold behind which its other deletions wait."""


def allow_deletions(
    manifest: Manifest, store: Store, lease: Lease, pass_id: PassId, asked: Sequence[RequestedDeletion]
) -> AllowedDeletions:
    """Return the deletions that may be made now; the others are then candidates behind a hold.

    Parents come first: nested records that are deleted with their parent are explained, and never wait.
    """
    allowed = AllowedDeletions()
    # A child may come before its parent in the manifest.
    for entity in sorted(manifest.entities.values(), key=lambda entity: entity.nested is not None):
        wanted = [one for one in asked if one.tombstone.entity == entity.name]
        if wanted:
            _allow_of(entity, store, lease, pass_id, wanted, allowed)
    return allowed


def _allow_of(
    entity: Entity,
    store: Store,
    lease: Lease,
    pass_id: PassId,
    wanted: Sequence[RequestedDeletion],
    allowed: AllowedDeletions,
) -> None:
    key = replace(lease.key, entity=entity.name)
    gone = _gone_parents(entity, store, lease, wanted, allowed)
    free = [one for one in wanted if not one.is_live or one.parent in gone]
    checked_ones = [one for one in wanted if one.is_live and one.parent not in gone]
    allowed.tombstones += [replace(one.tombstone, is_loss=False) for one in free]
    if not checked_ones:
        return
    check = replace(store.check_deletions(key, entity.parent), missing=len(checked_ones), explained=0)
    if check.is_over and not check.is_approved:
        candidates = [Candidate(one.tombstone.external_id, 1, one.parent) for one in checked_ones]
        reason = check.describe(entity.name)
        allowed.holds[entity.name] = store.hold_deletions(lease, pass_id, key, candidates, reason)
        return
    allowed.tombstones += [replace(one.tombstone, is_loss=not check.is_approved) for one in checked_ones]


def _gone_parents(
    entity: Entity, store: Store, lease: Lease, wanted: Sequence[RequestedDeletion], allowed: AllowedDeletions
) -> set[ExternalId]:
    """Return the parents that are tombstoned, or will be by the same commit."""
    if entity.parent is None:
        return set()
    parents = sorted({one.parent for one in wanted if one.parent is not None})
    now = {one.external_id for one in allowed.tombstones if one.entity == entity.parent}
    return now | set(store.load_gone(replace(lease.key, entity=entity.parent), parents))
