"""Sources that are away: probed by themselves until they answer, and named where nothing is asked for."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

from openfaith_sync.adapters.http import PATIENCE_TO_TELL
from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest import Manifest
from openfaith_sync.store.breakers import list_away, load_orgs_to_probe
from openfaith_sync.store.connections import load_connection
from openfaith_sync.store.database import Database
from openfaith_sync.store.sharing import share

MOST_PROBES = 8
PROBE_SECONDS = 4.0
"""A tick waits so long for them; one that takes longer ends by itself, and what it finds counts."""


def probe_away(database: Database, manifest: Manifest) -> None:
    """Ask those sources that are away, and due for a probe, the cheapest question; whoever answers is asked again."""
    orgs = load_orgs_to_probe(database, manifest.adapter, MOST_PROBES)
    if not orgs:
        return
    threads = ThreadPoolExecutor(len(orgs), thread_name_prefix="breaker")
    probes = [threads.submit(_probe, database, manifest, org) for org in orgs]
    wait(probes, timeout=PROBE_SECONDS)
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


def _probe(database: Database, manifest: Manifest, org: OrgId) -> None:
    # What it finds is told to the breaker on the way.
    with suppress(SyncError):
        connection = load_connection(database, org, manifest.adapter)
        with (
            share(database, connection) as shared,
            open_source(manifest, connection, shared, attempts=1, patience=PATIENCE_TO_TELL) as source,
        ):
            source.read_account()
