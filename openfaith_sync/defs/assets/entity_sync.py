"""Sync one entity of the run's org after another, over one session as long as all goes well."""

import traceback
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from threading import Event
from types import TracebackType
from typing import Self

import dagster as dg

from openfaith_sync.defs.assets.progress_log import FirstSyncLog, ProgressLog
from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.connections.scopes import require_granted
from openfaith_sync.domain.errors import AccessDenied, NotConnected, SyncError, UnexpectedFailure
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import Comparison, PassResult, SyncMode
from openfaith_sync.domain.ratelimit.lanes import Lane, lane_of
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.org_sync import EntityOutcome
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.ports.store import Store
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.store.admin.first_sync import load_first_sync
from openfaith_sync.store.connections.connections import list_connections, load_connection
from openfaith_sync.store.connections.unavailable_entities import judge_ungranted, note_readable, note_refusal
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import note_synced

SECONDS_BEFORE_SECOND_ATTEMPT = 5
"""An unexpected exception is retried once, from the checkpoint; after that it is a bug that people must look at."""


def find_usable_connection(database: Database, org: OrgId, adapter: AdapterName) -> NotConnected | None:
    """Return if the org's connection may be used; return the error if the org only uses other adapters.

    Raises:
        SyncError: The org has no connection at all, or its connection is paused or must be renewed.
    """
    try:
        load_connection(database, org, adapter).require_usable()
    except NotConnected as error:
        # Every asset has every org's partition, whichever system the org uses.
        if not list_connections(database, org):
            raise
        return error
    return None


class EntityCalls:
    """Calls the engine for one entity at a time. Sessions are shared by entities, one for each lane."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        database: Database,
        manifest: Manifest,
        org: OrgId,
        mode: SyncMode,
        comparison_of: Callable[[EntityName], Comparison],
    ) -> None:
        """Open nothing yet."""
        self._context = context
        self._database = database
        self._manifest = manifest
        self._org = org
        self._mode = mode
        self._comparison_of = comparison_of
        self._opened = ExitStack()
        self._sessions: dict[Lane, Session] = {}
        self._connection: Connection | None = None
        self._first_sync = FirstSyncLog(context.log, partial(load_first_sync, database, manifest, org))

    def __enter__(self) -> Self:
        """Return itself; leaving the block closes its sessions."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the sessions."""
        self._close()

    def __call__(self, entity: EntityName) -> EntityOutcome:
        """Sync one entity, resuming after its last commit, and return what became of it."""
        try:
            return self._sync_known_failures(entity)
        except Exception as error:  # noqa: BLE001  law 6: a bug at one entity must not stop the others
            self._close()
            self._log_bug(entity, error, f"retry in {SECONDS_BEFORE_SECOND_ATTEMPT} s")
        Event().wait(SECONDS_BEFORE_SECOND_ATTEMPT)
        try:
            return self._sync_known_failures(entity)
        except Exception as error:  # noqa: BLE001  as above
            self._close()
            self._log_bug(entity, error, "no further retry")
            failure = UnexpectedFailure(f"an unexpected {type(error).__name__}; the log shows where")
            failure.__cause__ = error
            return EntityOutcome(entity, error=failure)

    def _sync_known_failures(self, entity: EntityName) -> EntityOutcome:
        try:
            connection = self._load_connection()
            return self._judge_access(entity, connection)
        except SyncError as error:
            # What failed may have been the session's own connection.
            self._close()
            return EntityOutcome(entity, error=error)

    def _judge_access(self, entity: EntityName, connection: Connection) -> EntityOutcome:
        note = judge_ungranted
        try:
            require_granted(self._manifest, connection, entity)
            note = partial(note_refusal, is_shown=True)
            result = self._run(entity, connection)
        except AccessDenied as error:
            refusal = note(self._database, connection, entity, error)
            if refusal.is_unavailable:
                shown = error if refusal.is_chosen else AccessDenied(str(refusal))
                return EntityOutcome(entity, error=shown, is_unavailable=True, refusal=refusal)
            raise AccessDenied(f"{entity} is {refusal}") from error
        note_readable(self._database, connection, entity)
        # A run that a person started is in no plan; one that is planned changes its row when it ends.
        note_synced(self._database, connection.org, connection.adapter, (entity,), ())
        return EntityOutcome(entity, result=result)

    def _load_connection(self) -> Connection:
        """Return the connection as it is now: it may be paused or renewed while a run is under way."""
        connection = load_connection(self._database, self._org, self._manifest.adapter)
        connection.require_usable()
        if connection != self._connection:
            self._close()
        self._connection = connection
        return connection

    def _run(self, entity: EntityName, connection: Connection) -> PassResult:
        session = self._find_session(entity, connection)
        progress = ProgressLog(self._context.log, entity, self._first_sync)
        return run_entity(session, entity, self._mode, progress, self._comparison_of(entity))

    def _find_session(self, entity: EntityName, connection: Connection) -> Session:
        key = SyncKey(self._org, self._manifest.adapter, entity)
        lanes = [self._lane(key, session.store) for session in [*self._sessions.values()][:1]]
        if not lanes or lanes[0] not in self._sessions:

            def choose(store: Store) -> Lane:
                lanes[:] = [self._lane(key, store)]
                return lanes[0]

            opening = open_session(
                self._database,
                self._manifest,
                connection,
                lane=choose,
                trigger="dagster",
                run_id=self._context.run.run_id,
            )
            session = self._opened.enter_context(opening)
            self._sessions[lanes[0]] = session
        return self._sessions[lanes[0]]

    def _lane(self, key: SyncKey, store: Store) -> Lane:
        return lane_of(self._mode, has_watermark=store.load_checkpoint(key).watermark is not None)

    def _close(self) -> None:
        self._sessions.clear()
        self._opened.close()

    def _log_bug(self, entity: EntityName, error: Exception, then: str) -> None:
        # Without its message, which may hold a record's values.
        where = "".join(traceback.format_tb(error.__traceback__))
        self._context.log.error(
            "%s/%s: an unexpected %s; %s\n%s", self._manifest.adapter, entity, type(error).__name__, then, where
        )
