"""Opens everything that a sync of one org needs, in one place.

A session is the org's store, its source in the dialect of its manifest, and the state that all processes
using the connection share: credentials, rate limit budget and circuit breaker.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from openfaith_sync.adapters.dialects.port import RecordSource, Subscriptions
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.adapters.sources import open_source, open_subscription_source
from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.connections.selection import find_unselected
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.engine.dead_letters.replay import Replay
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.ports.store import Store
from openfaith_sync.store.admin.org_settings import load_time_zone
from openfaith_sync.store.connections.shared_state import share
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres_store import open_store

ChooseLane = Callable[[Store], Lane]


@contextmanager
def open_session(
    database: Database,
    manifest: Manifest,
    connection: Connection,
    *,
    lane: Lane | ChooseLane = Lane.INTERACTIVE,
    attempts: int | None = None,
    patience: timedelta | None = None,
    trigger: str = "cli",
    run_id: str | None = None,
) -> Iterator[Session]:
    """Yield a session of the connection's org; everything is closed when the block ends.

    ``lane`` may be a function that chooses a lane from the store. ``attempts`` is how often a request is
    attempted; ``patience`` is how long it may take with all its retries.
    """
    unselected = find_unselected(manifest, connection.only, connection.sensitive)
    manifest = ensure_tables(database, manifest).without_sideloads(unselected)
    with open_store(database, connection.org) as store:
        chosen = lane if isinstance(lane, Lane) else lane(store)
        with open_shared_source(
            database, manifest, connection, lane=chosen, attempts=attempts, patience=patience
        ) as source:
            yield Session(manifest, source, store, connection.org, trigger, run_id, unselected=unselected)


@contextmanager
def open_replay(database: Database, manifest: Manifest, org: OrgId, *, trigger: str = "cli") -> Iterator[Replay]:
    """Yield what replays an org's dead letters; it needs no connection to the source, and makes no request."""
    manifest = ensure_tables(database, manifest)
    dialect = open_dialect(manifest, load_time_zone(database, org))
    with open_store(database, org) as store:
        yield Replay(manifest, dialect.kept, store, org, trigger)


@contextmanager
def open_shared_source(
    database: Database,
    manifest: Manifest,
    connection: Connection,
    *,
    lane: Lane = Lane.INTERACTIVE,
    attempts: int | None = None,
    patience: timedelta | None = None,
) -> Iterator[RecordSource]:
    """Yield the connection's source, without opening a store."""
    with (
        share(database, connection) as shared,
        open_source(manifest, connection, shared, lane=lane, attempts=attempts, patience=patience) as source,
    ):
        yield source


@contextmanager
def open_shared_subscriptions(
    database: Database,
    manifest: Manifest,
    connection: Connection,
    *,
    attempts: int | None = None,
    patience: timedelta | None = None,
) -> Iterator[Subscriptions]:
    """Yield the connection's webhook subscriptions at the source.

    Raises:
        DefinitionError: The manifest has no webhooks.
    """
    with (
        share(database, connection) as shared,
        open_subscription_source(manifest, connection, shared, attempts=attempts, patience=patience) as source,
    ):
        yield source
