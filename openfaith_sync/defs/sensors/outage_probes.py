"""Sources that are away, or refuse many orgs: probed until they answer, and named where nothing is asked for."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial

from openfaith_sync.adapters.client.http_client import PATIENCE_TO_TELL
from openfaith_sync.domain.errors import AccessDenied, SyncError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.engine.passes.probe import probe_access
from openfaith_sync.sessions.opening import open_shared_source
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.connections.unavailable_entities import note_readable
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import list_away, load_orgs_to_probe
from openfaith_sync.store.outages.incidents import IncidentProbe, claim_probes, list_incidents, note_probe_in_vain

MOST_PROBES = 8
PROBE_SECONDS = 4.0
"""A tick waits so long for them; one that takes longer ends by itself, and what it finds counts."""


def probe_away(database: Database, manifest: Manifest) -> None:
    """Ask those sources that are away, and due for a probe, the cheapest question; whoever answers is asked again."""
    orgs = load_orgs_to_probe(database, manifest.adapter, MOST_PROBES)
    _side_by_side([partial(_probe, database, manifest, org) for org in orgs])


def probe_incidents(database: Database, manifest: Manifest) -> None:
    """Ask once for what a source refuses to many orgs; when one may read it again, all are asked again."""
    parents = {name: entity.parent for name, entity in manifest.entities.items() if entity.parent is not None}
    probes = claim_probes(database, manifest.adapter, parents)
    _side_by_side([partial(_probe_incident, database, manifest, probe) for probe in probes])


def _side_by_side(probes: Sequence[Callable[[], None]]) -> None:
    """Wait for them a while; what takes longer ends by itself, and what it finds counts."""
    if not probes:
        return
    threads = ThreadPoolExecutor(len(probes), thread_name_prefix="probe")
    wait([threads.submit(probe) for probe in probes], timeout=PROBE_SECONDS)
    threads.shutdown(wait=False)


def describe_away(database: Database, adapter: AdapterName) -> str:
    """Say whom nothing is asked of, since when, and until when; nothing when all are there."""
    away = [one for one in list_away(database) if one.adapter == adapter]
    if not away:
        return ""
    first = away[0]
    whom = adapter if first.org is None else f"the source of {len(away)} orgs"
    return (
        f"{whom} is away since {first.since:%Y-%m-%d %H:%M:%S} UTC: nothing is asked for before a probe is answered, "
        f"the next at {first.probe_at:%H:%M:%S}"
    )


def describe_incidents(database: Database, adapter: AdapterName) -> str:
    """Say what is refused to many orgs at once; nothing when nothing is."""
    return "; ".join(
        f"{adapter} refuses {one.entity} to many orgs since {one.since:%Y-%m-%d %H:%M:%S} UTC: nothing but a probe "
        f"asks for it, the next at {one.probe_at:%H:%M:%S}"
        for one in list_incidents(database, adapter)
    )


def _probe_incident(database: Database, manifest: Manifest, probe: IncidentProbe) -> None:
    # Any other error leaves it open whether the entity is refused: the next probe finds out.
    with suppress(SyncError):
        connection = load_connection(database, probe.org, manifest.adapter)
        with open_shared_source(database, manifest, connection, attempts=1, patience=PATIENCE_TO_TELL) as source:
            try:
                is_known = probe_access(manifest, source, probe.entity, probe.parent)
            except AccessDenied:
                note_probe_in_vain(database, manifest.adapter, probe.entity)
                return
        if is_known:
            note_readable(database, connection, probe.entity)


def _probe(database: Database, manifest: Manifest, org: OrgId) -> None:
    # What it finds is told to the breaker on the way.
    with suppress(SyncError):
        connection = load_connection(database, org, manifest.adapter)
        with open_shared_source(database, manifest, connection, attempts=1, patience=PATIENCE_TO_TELL) as source:
            source.read_account()
