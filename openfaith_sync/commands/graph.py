"""``graph``: draw the dependencies between entities."""

from collections.abc import Callable
from pathlib import Path

import click

from openfaith_sync.commands.adapters import adapter_option, find_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph
from openfaith_sync.domain.manifest.graph_drawing import draw_dot, draw_mermaid, draw_svg, draw_text

DRAWINGS: dict[str, Callable[[DependencyGraph], str]] = {
    "text": draw_text,
    "mermaid": draw_mermaid,
    "dot": draw_dot,
    "svg": draw_svg,
}


@click.command()
@click.option("--format", "kind", type=click.Choice(list(DRAWINGS)), default="text", show_default=True)
@adapter_option
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@pass_deployment
def graph(deployment: Deployment, kind: str, adapter: str | None, output: Path | None) -> None:
    """Draw the order in which entities sync, with hard and soft dependencies distinguished.

    \b
    Examples:
      openfaith-sync graph --adapter pco
      openfaith-sync graph --adapter pco --format svg -o graph.svg
    """  # noqa: D301  click's marker for lines that are not rewrapped
    drawn = DRAWINGS[kind](find_manifest(deployment.settings.manifests, adapter).graph)
    if output is None:
        click.echo(drawn.rstrip("\n"))
        return
    try:
        output.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from None
    click.echo(f"wrote {output}")
