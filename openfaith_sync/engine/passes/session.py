"""What every sync of one org works with."""

import os
import socket
from contextlib import AbstractContextManager
from dataclasses import dataclass

from openfaith_sync.domain.ids import EntityName, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.engine.passes.pass_runner import StartThreads, start_threads
from openfaith_sync.engine.ports.source import Source
from openfaith_sync.engine.ports.store import Store


@dataclass(frozen=True, slots=True)
class Session:
    """One org's open connection to its source and to the database; ``sessions.opening`` opens one."""

    manifest: Manifest
    source: Source
    store: Store
    org: OrgId
    trigger: str = "cli"
    """Who asked for the sync: ``cli``, ``dagster``, ``webhook`` …"""
    run_id: str | None = None
    """Dagster's run, when there is one."""
    threads: StartThreads = start_threads
    unselected: frozenset[EntityName] = frozenset()
    """The entities that the org chose not to sync: nothing of them is read."""

    def key(self, entity: EntityName) -> SyncKey:
        """Return the sync key of one entity of the org."""
        return SyncKey(self.org, self.manifest.adapter, entity)

    def hold_lease(self, entity: EntityName) -> AbstractContextManager[Lease]:
        """Hold the right to write an entity of the org in this process's name.

        Raises:
            LeaseHeld: Another live worker holds it.
        """
        return self.store.hold_lease(self.key(entity), f"{socket.gethostname()} pid {os.getpid()}")
