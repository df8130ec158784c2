"""``manifest plan`` and ``manifest apply``: the tables and views that a manifest makes in the database."""

from collections.abc import Iterable, Sequence

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.manifests.manifest_plan import plan_changes
from openfaith_sync.store.manifests.source_tables import apply_manifest
from openfaith_sync.store.schema.changes import SchemaChange


@click.command()
@click.argument("adapters", nargs=-1, metavar="[ADAPTER]...")
@as_json
@pass_deployment
def plan(deployment: Deployment, adapters: tuple[str, ...], as_json: bool) -> None:
    """Print the SQL that the manifests of ADAPTERs, by default all, would run, and what it costs.

    Changes are additive: no table, column or row is dropped. Syncs make them by themselves
    when they start; workers may run meanwhile.

    \b
    Example: openfaith-sync manifest plan pco
    """  # noqa: D301  click's marker for lines that are not rewrapped
    planned: dict[str, Sequence[SchemaChange]] = {}
    with open_database(deployment.settings).connect_fleet() as connection:
        for name in _chosen(deployment, adapters):
            planned[name] = plan_changes(connection, read_manifest(deployment.settings.manifests, name))
    if as_json:
        print_json([_as_json(name, changes) for name, found in planned.items() for changes in found])
        return
    for name, found in planned.items():
        click.echo("\n".join(_described(name, found)))


@click.command()
@click.argument("adapters", nargs=-1, metavar="[ADAPTER]...")
@as_json
@pass_deployment
def apply(deployment: Deployment, adapters: tuple[str, ...], as_json: bool) -> None:
    """Make the tables and views of the manifests of ADAPTERs, by default of all; running syncs go on.

    \b
    Example: openfaith-sync manifest apply pco
    """  # noqa: D301  click's marker for lines that are not rewrapped
    made: dict[str, Sequence[SchemaChange]] = {}
    with open_database(deployment.settings).connect_fleet() as connection:
        for name in _chosen(deployment, adapters):
            made[name] = apply_manifest(connection, read_manifest(deployment.settings.manifests, name))
    if as_json:
        print_json([_as_json(name, changes) for name, found in made.items() for changes in found])
        return
    for name, found in made.items():
        click.echo(f"{name}: {_names(found) or 'nothing to change'}")


def _chosen(deployment: Deployment, adapters: tuple[str, ...]) -> Sequence[str]:
    root = deployment.settings.manifests
    names = adapters or list_adapters(root)
    if not names:
        raise UsageError(f"there are no manifests in {root}; set OPENFAITH_MANIFESTS to the folder that contains them")
    return names


def _described(adapter: str, found: Sequence[SchemaChange]) -> Iterable[str]:
    """Yield the statements as SQL, with what they cost as comments."""
    if not found:
        yield f"-- {adapter}: nothing to change"
    for changes in found:
        how = "one by one, while workers write" if changes.is_concurrent else "in one transaction"
        yield f"-- {changes.of}, {how}"
        for change in changes.made:
            yield f"-- {change.cost}\n{change.statement};"
        yield ""


def _names(found: Iterable[SchemaChange]) -> str:
    return ", ".join(changes.of for changes in found)


def _as_json(adapter: str, changes: SchemaChange) -> dict[str, object]:
    return {
        "adapter": adapter,
        "of": changes.of,
        "concurrently": changes.is_concurrent,
        "statements": [{"statement": change.statement, "cost": change.cost} for change in changes.made],
    }
