"""``manifest coverage``: what becomes of each resource that a source documents."""

from pathlib import Path

import click

from openfaith_sync.adapters.manifest_reader.coverage_files import read_coverage
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json
from openfaith_sync.domain.coverage.coverage_file import Covered, coverage_problems
from openfaith_sync.domain.coverage.coverage_page import coverage_page
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest


@click.command()
@click.argument("adapter")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@as_json
@pass_deployment
@click.pass_context
def coverage(context: click.Context, deployment: Deployment, adapter: str, output: Path | None, as_json: bool) -> None:
    """Print what becomes of each resource of ADAPTER's source: its table, how fresh it is, and what that costs.

    It fails if the manifest and its coverage file contradict each other.

    \b
    Examples:
      openfaith-sync manifest coverage pco
      openfaith-sync manifest coverage pco -o docs/pco-coverage.md
    """  # noqa: D301  click's marker for lines that are not rewrapped
    if as_json and output is not None:
        raise UsageError("--json prints; leave out --output")
    root = deployment.settings.manifests
    manifest, found = read_manifest(root, adapter), read_coverage(root, adapter)
    problems = list(coverage_problems(found, manifest))
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        context.exit(1)
    if as_json:
        print_json(
            [
                {
                    "product": product,
                    "resource": resource,
                    "decision": covered.decision.value,
                    "entity": covered.entity,
                    "table": _table(manifest, covered),
                    "reason": covered.reason or None,
                }
                for product, resources in found.resources.items()
                for resource, covered in resources.items()
            ]
        )
        return
    text = coverage_page(found, manifest)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from None
    click.echo(f"wrote {output}")


def _table(manifest: Manifest, covered: Covered) -> str | None:
    if covered.entity is None:
        return None
    table = manifest.entities[covered.entity].record_table
    return f"{table.schema}.{table.name}"
