"""Find the adapter of a command that does not name one, if only one is possible."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import Database

adapter_option = click.option("--adapter", metavar="NAME", help="The system; required only if there are several.")


def find_manifest(root: Path, name: str | None, fits: Callable[[Manifest], bool] = lambda _: True) -> Manifest:
    """Return the manifest of the named adapter, or of the only one that fits.

    Raises:
        UsageError: No adapter has this name, or several fit.
    """
    if name is not None:
        return read_manifest(root, name)
    manifests = [manifest for name in list_adapters(root) if fits(manifest := read_manifest(root, name))]
    if len(manifests) == 1:
        return manifests[0]
    raise UsageError(_which(manifests or [read_manifest(root, name) for name in list_adapters(root)]))


def find_adapter(database: Database, org: OrgId, name: str | None, known: Sequence[AdapterName] = ()) -> AdapterName:
    """Return the named adapter, or the only one that the org is connected to or ``known`` for.

    Raises:
        UsageError: There is no such adapter, or there are several.
    """
    if name is not None:
        return AdapterName(name)
    connected = sorted({*known, *(listed.adapter for listed in list_connections(database, org))})
    if len(connected) == 1:
        return connected[0]
    if not connected:
        raise UsageError(
            f"there is no org {org!r}; connect it with: openfaith-sync org add {org} "
            "(list the orgs: openfaith-sync org list)"
        )
    raise UsageError(f"{org} is connected to {_list(connected)}; choose one with --adapter")


def _which(manifests: Sequence[Manifest]) -> str:
    if not manifests:
        return "there are no manifests; see OPENFAITH_MANIFESTS"
    return f"name the system with --adapter: {_list([manifest.adapter for manifest in manifests])}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(sorted(names))
