"""Decides which of the deletions that events ask for may go now, and which wait for a person.

Each of them is proven by a 404 of its own, but many at once are still something that a person should
see: they count toward the same limits, over the same windows, as what reconciliations find missing.
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
    """A record that an event says is gone, and that the source does not have."""

    tombstone: Tombstone
    parent: ExternalId | None
    """The parent below which it was read, where it is nested."""
    is_live: bool
    """Whether it lives here: a tombstone of a record that was never held deletes nothing."""


@dataclass(slots=True)
class AllowedDeletions:
    """What may go, and what does not, as it is decided."""

    tombstones: list[Tombstone] = field(default_factory=list)
    holds: dict[EntityName, Hold] = field(default_factory=dict)
    """By entity, the hold behind which its other deletions wait."""


def allow_deletions(
    manifest: Manifest, store: Store, lease: Lease, pass_id: PassId, asked: Sequence[RequestedDeletion]
) -> AllowedDeletions:
    """Return the deletions that may go now; the others are candidates behind a hold when this returns.

    Parents are decided about first: what they take with them is explained, and never waits.
    """
    allowed = AllowedDeletions()
    # A child may stand before its parent in the manifest.
    for part in sorted(manifest.entities.values(), key=lambda part: part.nested is not None):
        wanted = [one for one in asked if one.tombstone.entity == part.name]
        if wanted:
            _allow_of(part, store, lease, pass_id, wanted, allowed)
    return allowed


def _allow_of(
    part: Entity,
    store: Store,
    lease: Lease,
    pass_id: PassId,
    wanted: Sequence[RequestedDeletion],
    allowed: AllowedDeletions,
) -> None:
    key = replace(lease.key, entity=part.name)
    gone = _gone_parents(part, store, lease, wanted, allowed)
    free = [one for one in wanted if not one.is_live or one.parent in gone]
    checked_ones = [one for one in wanted if one.is_live and one.parent not in gone]
    allowed.tombstones += [replace(one.tombstone, is_loss=False) for one in free]
    if not checked_ones:
        return
    check = replace(store.check_deletions(key, part.parent), missing=len(checked_ones), explained=0)
    if check.is_over and not check.is_approved:
        candidates = [Candidate(one.tombstone.external_id, 1, one.parent) for one in checked_ones]
        reason = check.describe(part.name)
        allowed.holds[part.name] = store.hold_deletions(lease, pass_id, key, candidates, reason)
        return
    allowed.tombstones += [replace(one.tombstone, is_loss=not check.is_approved) for one in checked_ones]


def _gone_parents(
    part: Entity, store: Store, lease: Lease, wanted: Sequence[RequestedDeletion], allowed: AllowedDeletions
) -> set[ExternalId]:
    """Return the parents that are tombstones here, or become some with the same commit."""
    if part.parent is None:
        return set()
    parents = sorted({one.parent for one in wanted if one.parent is not None})
    now = {one.external_id for one in allowed.tombstones if one.entity == part.parent}
    return now | set(store.load_gone(replace(lease.key, entity=part.parent), parents))
