"""``manifest check`` and ``manifest schema``, and the group of all commands about manifests."""

from collections.abc import Iterator
from pathlib import Path

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes
from openfaith_sync.adapters.manifest_reader.manifest_schemas import MODELS, schema_file, schema_text
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.manifest_coverage import coverage
from openfaith_sync.commands.manifest_drift import drift
from openfaith_sync.commands.manifest_tables import apply, plan
from openfaith_sync.domain.errors import DefinitionError, UsageError
from openfaith_sync.domain.records.nesting import build_nesting


@click.group()
def manifest() -> None:
    """Check manifests, print their schemas, and make their tables."""


manifest.add_command(plan)
manifest.add_command(apply)
manifest.add_command(drift)
manifest.add_command(coverage)


@manifest.command()
@click.argument("adapters", nargs=-1, metavar="[ADAPTER]...")
@pass_deployment
@click.pass_context
def check(context: click.Context, deployment: Deployment, adapters: tuple[str, ...]) -> None:
    """Report every mistake in the manifests of ADAPTERs, by default in all of them.

    \b
    One line per mistake: file:line: key: found …, expected …
    Example: openfaith-sync manifest check pco
    """  # noqa: D301  click's marker for lines that are not rewrapped
    root = deployment.settings.manifests
    names = adapters or list_adapters(root)
    if not names:
        raise UsageError(f"there are no manifests in {root}; set OPENFAITH_MANIFESTS to the folder that contains them")
    mistakes = [line for name in names for line in _check(root, name)]
    for line in mistakes:
        click.echo(line, err=True)
    if mistakes:
        context.exit(1)


@manifest.command()
@click.argument("kind", type=click.Choice(sorted(MODELS)), default="module")
@click.option("--write", is_flag=True, help="Write all schemas next to the manifests, where their modelines point.")
@pass_deployment
def schema(deployment: Deployment, kind: str, write: bool) -> None:
    """Print the JSON Schema of a KIND of manifest file: adapter.yaml, or a module's.

    \b
    Editors use it for completion and validation, through the first line of each file.
    Example: openfaith-sync manifest schema adapter
    """  # noqa: D301
    if not write:
        click.echo(schema_text(kind), nl=False)
        return
    for kind_of_file in MODELS:
        path = deployment.settings.manifests / schema_file(kind_of_file)
        path.write_text(schema_text(kind_of_file), encoding="utf-8")
        click.echo(f"wrote {path}")


def _check(root: Path, name: str) -> Iterator[str]:
    """Yield the mistakes of one adapter; print its counts if there are none."""
    try:
        manifest = read_manifest(root, name)
        entities = [manifest.entities[name] for name in manifest.graph.entities]
        for entity in entities:
            if entity.nested is not None:
                build_nesting(manifest, entity)
    except ManifestMistakes as error:
        here = f"{Path.cwd()}/"
        yield from (str(mistake).removeprefix(here) for mistake in error.mistakes)
        return
    except UsageError:
        raise
    except DefinitionError as error:
        yield f"{root / name}: {error}"
        return
    attributes = sum(len(entity.attributes) for entity in entities)
    relationships = sum(len(entity.relationships) for entity in entities)
    modules = len({entity.module for entity in entities})
    click.echo(
        f"{name}: valid; {len(entities)} entities in {modules} modules, "
        f"{attributes} attributes, {relationships} relationships"
    )
