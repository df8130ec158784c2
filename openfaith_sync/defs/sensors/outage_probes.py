"""Probe sources that are unreachable, or that refuse an entity to many orgs, and describe them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial

from openfaith_sync.adapters.client.http_client import PROBE_PATIENCE
from openfaith_sync.domain.errors import AccessDenied, SyncError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.engine.passes.probe import probe_access
from openfaith_sync.sessions.opening import open_shared_source
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.connections.unavailable_entities import note_readable
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import list_unreachable, load_orgs_to_probe
from openfaith_sync.store.outages.incidents import IncidentProbe, claim_probes, list_incidents, note_probe_in_vain

MAX_PROBES = 8
PROBE_SECONDS = 4.0
"""How long a tick waits for probes; a slower one ends by itself, and its result still counts."""


def probe_unreachable(database: Database, manifest: Manifest) -> None:
    """Probe unreachable sources that are due with the cheapest request; a source that responds is used again."""
    orgs = load_orgs_to_probe(database, manifest.adapter, MAX_PROBES)
    _run_in_parallel([partial(_probe, database, manifest, org) for org in orgs])


def probe_incidents(database: Database, manifest: Manifest) -> None:
    """Probe once for each entity that a source refuses to many orgs; if it is readable again, all orgs resume."""
    parents = {name: entity.parent for name, entity in manifest.entities.items() if entity.parent is not None}
    probes = claim_probes(database, manifest.adapter, parents)
    _run_in_parallel([partial(_probe_incident, database, manifest, probe) for probe in probes])


def _run_in_parallel(probes: Sequence[Callable[[], None]]) -> None:
    """Run the probes in parallel and wait for a while; a slower one ends by itself, and its result still counts."""
    if not probes:
        return
    threads = ThreadPoolExecutor(len(probes), thread_name_prefix="probe")
    wait([threads.submit(probe) for probe in probes], timeout=PROBE_SECONDS)
    threads.shutdown(wait=False)


def describe_unreachable(database: Database, adapter: AdapterName) -> str:
    """Return a line about the sources that are unreachable; empty if there are none."""
    away = [one for one in list_unreachable(database) if one.adapter == adapter]
    if not away:
        return ""
    first = away[0]
    whom = adapter if first.org is None else f"the source of {len(away)} orgs"
    return (
        f"{whom} unreachable since {first.since:%Y-%m-%d %H:%M:%S} UTC; only probes are sent, "
        f"next at {first.probe_at:%H:%M:%S}"
    )


def describe_incidents(database: Database, adapter: AdapterName) -> str:
    """Return a line about entities that are refused to many orgs; empty if there are none."""
    return "; ".join(
        f"{adapter} has refused {one.entity} to many orgs since {one.since:%Y-%m-%d %H:%M:%S} UTC; only probes "
        f"request it, next at {one.probe_at:%H:%M:%S}"
        for one in list_incidents(database, adapter)
    )


def _probe_incident(database: Database, manifest: Manifest, probe: IncidentProbe) -> None:
    # Any other error leaves open whether the entity is refused: the next probe finds out.
    with suppress(SyncError):
        connection = load_connection(database, probe.org, manifest.adapter)
        with open_shared_source(database, manifest, connection, attempts=1, patience=PROBE_PATIENCE) as source:
            try:
                is_known = probe_access(manifest, source, probe.entity, probe.parent)
            except AccessDenied:
                note_probe_in_vain(database, manifest.adapter, probe.entity)
                return
        if is_known:
            note_readable(database, connection, probe.entity)


def _probe(database: Database, manifest: Manifest, org: OrgId) -> None:
    # The client reports the result to the circuit breaker.
    with suppress(SyncError):
        connection = load_connection(database, org, manifest.adapter)
        with open_shared_source(database, manifest, connection, attempts=1, patience=PROBE_PATIENCE) as source:
            source.read_account()
