"""``manifest drift``: where the sources' records differ from the manifests, and the patch that adopts it."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.adapters.manifest_reader.manifest_patches import patch_module
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.passes.schema_drift import DriftReport, list_drift

COLUMNS = ("entity", "kind", "name", "found", "orgs", "since", "last_seen", "policy")


@click.command()
@click.argument("adapter", required=False)
@click.option("--patch", "is_patch", is_flag=True, help="Print the patch of the module files, and nothing else.")
@as_json
@pass_deployment
def drift(deployment: Deployment, adapter: str | None, *, is_patch: bool, as_json: bool) -> None:
    """Show where the source's records differ from the manifest of ADAPTER, by default of all adapters.

    \b
    appeared   an attribute that the manifest does not name; it is kept as the entity's key drift says
    vanished   an attribute of the manifest that no record has any more; stored values stay as they are
    retyped    no value of an attribute has the manifest's type, so that its column stays empty
    version    the source answers in another version of its API than the one asked for

    Of each difference it shows how many orgs have it. Nothing is asked of the source: syncs note it.

    \b
    Examples:
      openfaith-sync manifest drift pco
      openfaith-sync manifest drift pco --patch > adopt.patch && patch -d manifests/pco < adopt.patch
    """  # noqa: D301  click's marker for lines that are not rewrapped
    known = list_adapters(deployment.settings.manifests)
    if adapter is not None and adapter not in known:
        raise UsageError(f"there is no adapter {adapter!r}; there are {', '.join(known) or 'none'}")
    with open_database(deployment.settings) as database:
        reports = [one for one in list_drift(database) if one.adapter == (adapter or one.adapter)]
    if is_patch:
        for name in sorted({one.adapter for one in reports} & set(map(AdapterName, known))):
            for text in _patches(deployment, name, [one for one in reports if one.adapter == name]):
                click.echo(text, nl=False)
        return
    rows = [_row(deployment, one) for one in reports if one.adapter in known]
    if as_json:
        print_json(rows)
        return
    shown = [row | {"orgs": len(row["orgs"]), "entity": f"{row['adapter']}/{row['entity']}"} for row in rows]
    print_rows(shown, COLUMNS, as_json=False, otherwise="the records are as the manifests say")
    if rows:
        click.echo("the patch that adopts it: openfaith-sync manifest drift --patch", err=True)


def _row(deployment: Deployment, report: DriftReport) -> dict[str, Any]:
    entities = read_manifest(deployment.settings.manifests, report.adapter).entities
    entity = entities.get(report.drift.entity)
    return {
        "adapter": report.adapter,
        "entity": report.drift.entity,
        "kind": report.drift.kind.value,
        "name": report.drift.name,
        "found": report.drift.found,
        "orgs": list(report.orgs),
        "since": report.since,
        "last_seen": report.last_seen_at,
        "policy": entity.drift if entity is not None else None,
    }


def _patches(deployment: Deployment, adapter: AdapterName, reports: Sequence[DriftReport]) -> Iterator[str]:
    folder = deployment.settings.manifests / adapter
    manifest = read_manifest(deployment.settings.manifests, adapter)
    by_module: dict[str, list[DriftReport]] = {}
    for report in reports:
        if report.drift.entity in manifest.entities:
            by_module.setdefault(manifest.entities[report.drift.entity].module, []).append(report)
    for path in sorted(folder.glob("*.yaml")):
        if path.stem in by_module:
            yield patch_module(path, [report.drift for report in by_module[path.stem]])
