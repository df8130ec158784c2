"""``graph``: draw the dependencies between entities."""

from collections.abc import Callable
from pathlib import Path

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.adapters import adapter_option, find_adapter, find_manifest
from openfaith_sync.commands.connection_lookup import load_listed_connection
from openfaith_sync.commands.costs import print_costs, print_shape
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json
from openfaith_sync.commands.plan_facts import plan_org
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph
from openfaith_sync.domain.manifest.graph_drawing import draw_dot, draw_mermaid, draw_svg, draw_text
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import open_database

DRAWINGS: dict[str, Callable[[DependencyGraph], str]] = {
    "text": draw_text,
    "mermaid": draw_mermaid,
    "dot": draw_dot,
    "svg": draw_svg,
}


@click.command()
@click.argument("org", required=False)
@click.option("--cost", is_flag=True, help="Show what each entity costs ORG in requests, or its intervals without ORG.")
@click.option("--offline", is_flag=True, help="With --cost: predict from what is stored; send no request.")
@as_json
@click.option("--format", "kind", type=click.Choice(list(DRAWINGS)), default="text", show_default=True)
@click.option("--module", metavar="NAME", help="Draw the entities of one module, such as giving.")
@adapter_option
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@pass_deployment
def graph(
    deployment: Deployment,
    org: str | None,
    kind: str,
    module: str | None,
    adapter: str | None,
    output: Path | None,
    *,
    cost: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Draw the order in which entities sync, with hard and soft dependencies distinguished.

    \b
    Examples:
      openfaith-sync graph --adapter pco
      openfaith-sync graph --adapter pco --module people --format svg -o graph.svg
      openfaith-sync graph --cost grace
    """  # noqa: D301  click's marker for lines that are not rewrapped
    if (org is not None or offline or as_json) and not cost:
        raise click.UsageError("ORG, --offline and --json require --cost")
    if cost:
        if module is not None:
            raise click.UsageError("--module cannot be combined with --cost, which shows all of them")
        _show_costs(deployment, org, adapter, is_offline=offline, as_json=as_json)
        return
    manifest = find_manifest(deployment.settings.manifests, adapter)
    drawn = DRAWINGS[kind](manifest.graph if module is None else _of_module(manifest, module))
    if output is None:
        click.echo(drawn.rstrip("\n"))
        return
    try:
        output.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from None
    click.echo(f"wrote {output}")


def _of_module(manifest: Manifest, module: str) -> DependencyGraph:
    modules = {entity.module for entity in manifest.entities.values()}
    if module not in modules:
        raise click.BadParameter(f"expected one of {', '.join(sorted(modules))}; found {module!r}")
    return manifest.graph.among({name for name, entity in manifest.entities.items() if entity.module == module})


def _show_costs(
    deployment: Deployment, org: str | None, adapter: str | None, *, is_offline: bool, as_json: bool
) -> None:
    if org is None:
        print_shape(find_manifest(deployment.settings.manifests, adapter), as_json=as_json)
        return
    with open_database(deployment.settings) as database:
        chosen = find_adapter(database, parse_org(org), adapter)
        manifest = read_manifest(deployment.settings.manifests, chosen)
        connection = load_listed_connection(database, org, chosen)
        found = plan_org(database, manifest, connection, is_offline=is_offline, with_costs=True)
    print_costs(found, as_json=as_json)
