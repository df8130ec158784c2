"""Applies merges: the removed record and all references to it point to the record it became part of."""

from collections.abc import Sequence
from typing import Any

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName, ExternalId, IdDeriver, SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.records.merges import Merge, MergeCommit, ReferenceColumn, Revival
from openfaith_sync.store.merges import merges_sql
from openfaith_sync.store.passes.leases import check_lease
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import on_table, table_of


def commit_merges(connection: Connection, lease: Lease, page: MergeCommit) -> int:
    """Apply merges and move their watermark in one transaction; return how many were new."""
    key = SyncKey(lease.key.org, lease.key.adapter, page.entity)
    with connection.transaction():
        check_lease(connection, lease)
        new = _store_redirects(connection, key, page.merges)
        if new:
            # A concurrent `follow_merges` waits for these rows.
            connection.execute(merges_sql.LOCK, (_lock_name(key),))
            _apply(connection, key, page, new)
        if page.watermark is not None:
            connection.execute(merges_sql.ADVANCE, _parameters(lease.key) | {"watermark": page.watermark})
    return len(new)


def follow_merges(connection: Connection, key: SyncKey, references: Sequence[ReferenceColumn]) -> int:
    """Point references to merged records at the surviving record; return how many were changed.

    Waits for merges that are being applied, and blocks none: merges that begin later see what
    was stored before this call, and this call sees those that began before.
    """
    merged = [target for target in sorted({one.target for one in references}) if _has_merges(connection, key, target)]
    if not merged:
        return 0
    with connection.transaction():
        return _follow(connection, key, [one for one in references if one.target in merged])


def load_merged(
    connection: Connection, key: SyncKey, external_ids: Sequence[ExternalId]
) -> dict[ExternalId, ExternalId]:
    """Return the surviving record of each of these records that is merged."""
    rows = connection.execute(merges_sql.MERGED, _parameters(key) | {"ids": list(external_ids)}).fetchall()
    return {ExternalId(external_id): ExternalId(kept) for external_id, kept in rows}


def load_live(connection: Connection, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
    """Return those of these records that are stored and live."""
    return _load_ids(connection, merges_sql.LIVE, key, external_ids)


def load_gone(connection: Connection, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
    """Return those of these records that are tombstoned."""
    return _load_ids(connection, merges_sql.GONE, key, external_ids)


def revive(connection: Connection, lease: Lease, revival: Revival) -> None:
    """Undo merges of records that live, in one transaction, with the redirects through them."""
    key = SyncKey(lease.key.org, lease.key.adapter, revival.entity)
    ids = sorted(revival.external_ids)
    parameters = _parameters(key) | {"ids": ids}
    with connection.transaction():
        check_lease(connection, lease)
        connection.execute(merges_sql.LOCK, (_lock_name(key),))
        ends = [row[0] for row in connection.execute(merges_sql.ENDS_OF, parameters).fetchall()]
        led_here = [row[0] for row in connection.execute(merges_sql.LED_HERE, parameters).fetchall()]
        connection.execute(merges_sql.FORGET_REDIRECTS, parameters)
        connection.execute(merges_sql.take_back(revival.table), parameters)
        for reference in revival.references:
            connection.execute(merges_sql.read_again(reference), parameters | {"ends": ends})
        if led_here:
            _apply(connection, key, MergeCommit(revival.entity, revival.table, (), revival.references), led_here)


def _load_ids(connection: Connection, query: str, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
    if not external_ids:
        return set()
    statement = on_table(query, table_of(connection, key))
    return {ExternalId(row[0]) for row in connection.execute(statement, _parameters(key) | {"ids": list(external_ids)})}


def _store_redirects(connection: Connection, key: SyncKey, merges: Sequence[Merge]) -> list[str]:
    """Store the new merges, and return the ids that they remove."""
    derive = IdDeriver(key.org, key.adapter, key.entity)
    given = {merge.removed: merge for merge in merges}
    rows = [given[removed] for removed in sorted(given)]
    parameters = {
        "ids": [merge.removed for merge in rows],
        "entity_ids": [derive(merge.removed) for merge in rows],
        "kept": [merge.kept for merge in rows],
        "times": [merge.merged_at for merge in rows],
    }
    return [row[0] for row in connection.execute(merges_sql.STORE_REDIRECTS, _parameters(key) | parameters).fetchall()]


def _apply(connection: Connection, key: SyncKey, page: MergeCommit, new: list[str]) -> None:
    """Point redirects, rows and references of these ids, and of ids redirected to them, at the ends of their chains."""
    if not page.table.has_merges:
        raise DefinitionError(f"the table {page.table.quoted} cannot say what a record was merged into")
    ends = connection.execute(merges_sql.ENDS, _parameters(key) | {"ids": new}).fetchall()
    derive = IdDeriver(key.org, key.adapter, key.entity)
    parameters = _parameters(key) | {
        "ids": [gone for gone, _ in ends],
        "ends": [end for _, end in ends],
        "own_ids": [derive(gone) for gone, _ in ends],
        "end_ids": [derive(end) for _, end in ends],
    }
    # Each statement sees what another worker committed while the one before waited for its lock.
    for statement in (
        merges_sql.check_kept(page.table),
        merges_sql.NOTE_SURVIVORS,
        merges_sql.bury(page.table),
        merges_sql.SETTLE,
    ):
        connection.execute(statement, parameters)
    _follow(connection, key, page.references)


def _follow(connection: Connection, key: SyncKey, references: Sequence[ReferenceColumn]) -> int:
    moved = 0
    for reference in references:
        parameters = _parameters(key) | {"entity": reference.target}
        moved += connection.execute(merges_sql.follow(reference), parameters).rowcount
    return moved


def _has_merges(connection: Connection, key: SyncKey, target: EntityName) -> bool:
    # A statement of its own: one sees only what was committed before it began to wait.
    connection.execute(merges_sql.AWAIT, (_lock_name(SyncKey(key.org, key.adapter, target)),))
    row = connection.execute(merges_sql.HAS_MERGES, _parameters(key) | {"entity": target}).fetchone()
    return bool(row and row[0])


def _parameters(key: SyncKey) -> dict[str, Any]:
    return {"org": key.org, "adapter": key.adapter, "entity": key.entity}


def _lock_name(key: SyncKey) -> str:
    return f"merges of {key}"
