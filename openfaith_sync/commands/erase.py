"""``erase``: remove a person for good, and keep them from coming back."""

import getpass
import os

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows, require_yes
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.admin.erase_person import Person, allow_person, erase_person, find_people, list_rows
from openfaith_sync.store.database.database import Database, open_database


@click.command()
@click.argument("person")
@click.option("--org", "org_name", metavar="NAME", help="The person's org; required if several have this id.")
@click.option("--adapter", metavar="NAME", help="The system that knows the person by this id.")
@click.option("--allow", "is_allowed", is_flag=True, help="Let an erased PERSON be synced again.")
@click.option("--by", metavar="NAME", default="", help="Who asked for it, for the record; by default your login.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@as_json
@pass_deployment
def erase(
    deployment: Deployment,
    person: str,
    org_name: str | None,
    adapter: str | None,
    *,
    is_allowed: bool,
    by: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase PERSON, named by our id or the source's: everything that is stored of them and belongs to them.

    What the source sends of them later is not stored. This cannot be undone: --allow
    only lets the source's records be stored again. A running sync of the org ends and
    resumes later.

    \b
    Examples:
      openfaith-sync erase person_2t9c4x7h8e8q3rvmk5n6j1wzab
      openfaith-sync erase 1234567 --org grace
      openfaith-sync erase --allow 1234567 --org grace
    """  # noqa: D301  click's marker for lines that are not rewrapped
    root = deployment.settings.manifests
    names = list_adapters(root) if adapter is None else [adapter]
    manifests = {manifest.adapter: manifest for manifest in (read_manifest(root, name) for name in names)}
    requested_by = by or _login()
    with open_database(deployment.settings) as database:
        found = _find(database, list(manifests.values()), person, org_name)
        manifest = manifests[found.adapter]
        if is_allowed:
            records = allow_person(database, manifest, found, requested_by)
            _print_allowed(found, records, as_json=as_json)
            return
        if found.external_id is None:
            click.echo(f"{found.entity_id} of {found.org} was erased before; its rows are empty already", err=True)
        if not yes:
            counts = list_rows(database, manifest, found)
            click.echo(f"{found.entity_id} of {found.org} has {_counted(counts)}", err=True)
            require_yes("Erase all of it? This cannot be undone.")
        erased = erase_person(database, manifest, found, requested_by)
    if as_json:
        person_json = {"org": found.org, "adapter": found.adapter, "person": found.entity_id}
        print_json({**person_json, "hash": erased.subject, "records": erased.records, "rows": erased.rows})
        return
    rows = [{"table": table, "rows": count} for table, count in sorted(erased.rows.items())]
    if rows:
        print_rows(rows, ("table", "rows"), as_json=False)
    click.echo(f"erased {found.entity_id} of {found.org}: {_counted(erased.rows)}; {erased.records:,} records stay out")


def _find(database: Database, manifests: list[Manifest], named: str, org_name: str | None) -> Person:
    org = None if org_name is None else parse_org(org_name)
    people = find_people(database, manifests, named, org)
    if not people:
        hint = "" if org else "; for one that is set aside or erased, name the org with --org"
        raise UsageError(f"no person with this id is stored{hint}")
    if len(people) > 1:
        places = ", ".join(sorted(f"{found.org} ({found.adapter})" for found in people))
        raise UsageError(f"several orgs have a person with this id: {places}; choose one with --org and --adapter")
    return people[0]


def _print_allowed(person: Person, records: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"org": person.org, "adapter": person.adapter, "person": person.entity_id, "records": records})
        return
    when = "within minutes" if person.external_id else "with the next reconciliation"
    click.echo(
        f"{person.entity_id} of {person.org} may be synced again ({records:,} records): the person {when}, what "
        "belongs to it with the next full sync or reconciliation; "
        f"to read it now: openfaith-sync sync {person.org} --mode reconciliation"
    )


def _counted(rows: dict[str, int]) -> str:
    count = sum(rows.values())
    return f"{count:,} {'row' if count == 1 else 'rows'} in {len(rows)} {'table' if len(rows) == 1 else 'tables'}"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # containers run under numbers without a name
        return f"uid {os.getuid()}"
