"""Which adapter a command means when nobody names one: the only one that it can be."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import Database

adapter_option = click.option("--adapter", metavar="NAME", help="Which system; needed only where there are several.")


def find_manifest(root: Path, given: str | None, fits: Callable[[Manifest], bool] = lambda _: True) -> Manifest:
    """Return the manifest of the adapter that was named, or of the only one that fits.

    Raises:
        UsageError: None has this name, or several fit.
    """
    if given is not None:
        return read_manifest(root, given)
    found = [manifest for name in list_adapters(root) if fits(manifest := read_manifest(root, name))]
    if len(found) == 1:
        return found[0]
    raise UsageError(_which(found or [read_manifest(root, name) for name in list_adapters(root)]))


def find_adapter(database: Database, org: OrgId, given: str | None, known: Sequence[AdapterName] = ()) -> AdapterName:
    """Return the adapter that was named, or the only one that the org is connected to or ``known`` for.

    Raises:
        UsageError: There is none, or there are several.
    """
    if given is not None:
        return AdapterName(given)
    connected = sorted({*known, *(listed.adapter for listed in list_connections(database, org))})
    if len(connected) == 1:
        return connected[0]
    if not connected:
        raise UsageError(
            f"there is no org {org!r}; connect it with: openfaith-sync org add {org} "
            "(the known ones: openfaith-sync org list)"
        )
    raise UsageError(f"{org} is connected to {_list(connected)}; choose one with --adapter")


def _which(manifests: Sequence[Manifest]) -> str:
    if not manifests:
        return "there are no manifests; see OPENFAITH_MANIFESTS"
    return f"name the system with --adapter: {_list([manifest.adapter for manifest in manifests])}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(sorted(names))
