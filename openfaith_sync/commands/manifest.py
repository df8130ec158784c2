"""``manifest check`` and ``manifest schema``."""

from collections.abc import Iterator
from pathlib import Path

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes
from openfaith_sync.adapters.manifest_reader.manifest_schemas import MODELS, schema_file, schema_text
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.domain.errors import DefinitionError, UsageError


@click.group()
def manifest() -> None:
    """Check manifests and print what may stand in them."""


@manifest.command()
@click.argument("adapters", nargs=-1, metavar="[ADAPTER]...")
@pass_deployment
@click.pass_context
def check(context: click.Context, deployment: Deployment, adapters: tuple[str, ...]) -> None:
    """Name every mistake in the manifests of ADAPTERs, all of them when none is named.

    \b
    One line a mistake: file:line: key: found …, expected …
    Example: openfaith-sync manifest check pco
    """  # noqa: D301  click's sign for lines that stay as they are
    root = deployment.settings.manifests
    names = adapters or list_adapters(root)
    if not names:
        raise UsageError(f"there are no manifests in {root}; set OPENFAITH_MANIFESTS to their folder")
    mistakes = [line for name in names for line in _check(root, name)]
    for line in mistakes:
        click.echo(line, err=True)
    if mistakes:
        context.exit(1)


@manifest.command()
@click.argument("kind", type=click.Choice(sorted(MODELS)), default="module")
@click.option("--write", is_flag=True, help="Write both schemas beside the manifests, where the modelines point.")
@pass_deployment
def schema(deployment: Deployment, kind: str, write: bool) -> None:
    """Print the JSON Schema of a KIND of manifest file: adapter.yaml, or a module's.

    \b
    Editors use it to complete and to check, through the first line of each file.
    Example: openfaith-sync manifest schema adapter
    """  # noqa: D301
    if not write:
        click.echo(schema_text(kind), nl=False)
        return
    for each in MODELS:
        path = deployment.settings.manifests / schema_file(each)
        path.write_text(schema_text(each), encoding="utf-8")
        click.echo(f"wrote {path}")


def _check(root: Path, name: str) -> Iterator[str]:
    """Yield the mistakes of one adapter; say its counts when there are none."""
    try:
        found = read_manifest(root, name)
        entities = [found.entities[name] for name in found.graph.entities]
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
        f"{name}: right; {len(entities)} entities in {modules} modules, "
        f"{attributes} attributes, {relationships} relationships"
    )
