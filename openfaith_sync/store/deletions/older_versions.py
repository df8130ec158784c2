"""Records that the source shows in an older version than the stored one."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from openfaith_sync.domain.ids import ExternalId, SyncKey
from openfaith_sync.domain.passes.deletions import DeletionCheck, DeletionLimits, HoldKind
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import PassId
from openfaith_sync.store.deletions import holds
from openfaith_sync.store.pages import older_sql
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.record_tables import on_table, table_of


def compare_versions(connection: Connection, key: SyncKey, pass_id: PassId) -> None:
    """Record which records the complete listing shows in an older version; repeatable."""
    statement = on_table(older_sql.COMPARE, table_of(connection, key))
    connection.execute(statement, _parameters(key, pass_id))


def check_older_versions(connection: Connection, key: SyncKey, pass_id: PassId) -> DeletionCheck:
    """Return how many records are older at the source, the total, the allowed number and the standing hold."""
    weigh = on_table(older_sql.WEIGH, table_of(connection, key))
    row = connection.execute(weigh, _parameters(key, pass_id)).fetchone() or (0, 0, None, None)
    older, live, count, share = row
    limits = DeletionLimits() if count is None else DeletionLimits(count, share)
    return DeletionCheck(older, live, limits, holds.load_standing(connection, key, HoldKind.OLDER))


def load_older(
    connection: Connection,
    key: SyncKey,
    pass_id: PassId,
    after: str,
    limit: int,
    *,
    overlap: timedelta,
    is_held: bool,
) -> list[OlderVersion]:
    """Return older versions to read by id now, in id order, after this one."""
    parameters = _parameters(key, pass_id) | {"after": after, "limit": limit, "overlap": overlap, "is_held": is_held}
    return [OlderVersion(ExternalId(row[0]), *row[1:]) for row in connection.execute(older_sql.LOAD, parameters)]


def note_reads(
    connection: Connection,
    key: SyncKey,
    pass_id: PassId,
    agreed: Sequence[ExternalId],
    contradicted: Sequence[ExternalId],
) -> None:
    """Record which single reads agreed with the listing; evidence of the others is discarded."""
    parameters = _parameters(key, pass_id)
    connection.execute(older_sql.NOTE_AGREED, parameters | {"ids": list(agreed)})
    connection.execute(older_sql.FORGET, parameters | {"ids": list(contradicted)})


def count_taken(connection: Connection, key: SyncKey, pass_id: PassId) -> int:
    """Count the older versions that this pass stored over newer ones."""
    return int(fetch_one(connection, older_sql.COUNT_TAKEN, _parameters(key, pass_id))[0])


def bring_back_watermark(
    connection: Connection, key: SyncKey, pass_id: PassId, overlap: timedelta, *, is_whole: bool = True
) -> datetime | None:
    """Move a watermark back that lies beyond the source's records; return the new one if it moved.

    The newest version of a part of the listing says nothing of the whole.
    """
    statement = on_table(older_sql.BRING_BACK_WATERMARK, table_of(connection, key))
    row = connection.execute(
        statement, _parameters(key, pass_id) | {"overlap": overlap, "is_whole": is_whole}
    ).fetchone()
    return row[0] if row else None


def _parameters(key: SyncKey, pass_id: PassId) -> dict[str, object]:
    org, adapter, entity = key_parameters(key)
    return {"org": org, "adapter": adapter, "entity": entity, "pass": pass_id}
