"""``db grant`` and ``db grants``: what roles of analysts and their tools may read."""

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.commands.connection_options import parse_name
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.admin.readers import Reader, grant_reader, list_readers, revoke_reader
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.schema.record_tables import load_adapters

NO_ROW = "no row: it has grants on tables, but no org; use db grant"


@click.command()
@click.argument("role")
@click.option("--org", "orgs", metavar="ORG", multiple=True, help="An org that the role may read; repeat for more.")
@click.option("--all-orgs", is_flag=True, help="Let it read all orgs, those of the future included.")
@click.option("--sensitive", is_flag=True, help="Let it also read what manifests call sensitive.")
@click.option("--create", is_flag=True, help="Create the role first, as a login without a password.")
@click.option("--revoke", is_flag=True, help="Take back the orgs, or --sensitive, or else everything.")
@as_json
@pass_deployment
def grant(
    deployment: Deployment,
    role: str,
    orgs: tuple[str, ...],
    all_orgs: bool,
    sensitive: bool,
    create: bool,
    revoke: bool,
    as_json: bool,
) -> None:
    """Grant a database ROLE the records of orgs: tables and live views, present and later ones.

    Row-level security shows it the rows of these orgs only. It sees no bookkeeping, no
    credentials and no dead letters, and what is sensitive only with --sensitive. Orgs add to
    those that it reads already.

    \b
    Example: openfaith-sync db grant analyst --create --org grace --org hope
    """  # noqa: D301  click's marker for lines that are not rewrapped
    named = [parse_name(name) for name in orgs]
    if all_orgs and named:
        raise click.UsageError("pass --org or --all-orgs, not both")
    if revoke and (all_orgs or create):
        raise click.UsageError("--revoke takes a role, and optionally --org or --sensitive")
    if not revoke and not all_orgs and not named:
        raise click.UsageError("name the orgs with --org, or pass --all-orgs")
    database = open_database(deployment.settings)
    if revoke:
        reader = revoke_reader(database, role, named, sensitive=sensitive)
    else:
        _apply_manifests(deployment, database)
        reader = grant_reader(database, role, None if all_orgs else named, sensitive=sensitive, create=create)
    if as_json:
        print_json(_described(reader) if reader is not None else None)
    elif reader is None:
        click.echo(f"{role} reads nothing any more")
    else:
        click.echo(
            f"{role} reads {_orgs_of(reader)}, {'with' if reader.reads_sensitive else 'without'} what is sensitive"
        )
        if create:
            click.echo(f"Set its password with: openfaith-sync db shell -- -c '\\password {role}'")


@click.command()
@as_json
@pass_deployment
def grants(deployment: Deployment, as_json: bool) -> None:
    """Print which roles may read which orgs.

    \b
    Example: openfaith-sync db grants
    """  # noqa: D301
    readers = list_readers(open_database(deployment.settings))
    if as_json:
        print_json([_described(reader) for reader in readers])
        return
    if not readers:
        click.echo("no role was granted anything; grant one with: openfaith-sync db grant ROLE --org ORG")
        return
    rows = [
        {
            "role": reader.role,
            "reads": _orgs_of(reader) if reader.is_granted else NO_ROW,
            "sensitive": reader.reads_sensitive,
            "can_log_in": reader.can_log_in,
        }
        for reader in readers
    ]
    print_rows(rows, ("role", "reads", "sensitive", "can_log_in"), as_json=False)


def _apply_manifests(deployment: Deployment, database: Database) -> None:
    """Make all tables, and learn which columns are sensitive."""
    root = deployment.settings.manifests
    known = list_adapters(root)
    for name in known:
        ensure_tables(database, read_manifest(root, name))
    with database.connect_query() as connection:
        unknown = [name for name in load_adapters(connection) if name not in known]
    if unknown:
        raise UsageError(
            f"there is no manifest of {unknown[0]} in {root}, so nobody knows which of its columns are sensitive; "
            "set OPENFAITH_MANIFESTS to the folder that contains it"
        )


def _orgs_of(reader: Reader) -> str:
    return "all orgs" if reader.reads_all else ", ".join(reader.orgs) or "no org"


def _described(reader: Reader) -> dict[str, object]:
    orgs: list[OrgId] | str = "all" if reader.reads_all else list(reader.orgs)
    return {
        "role": reader.role,
        "orgs": orgs,
        "sensitive": reader.reads_sensitive,
        "can_log_in": reader.can_log_in,
        "granted": reader.is_granted,
    }
