"""``holds``: review deletions and older versions that are held back until a person decides."""

from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, counted, print_json, print_rows
from openfaith_sync.domain.ids import EntityName, parse_org
from openfaith_sync.domain.passes.deletions import HeldRecord, Hold, HoldKind, HoldStatus
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.deletions.hold_decisions import (
    approve_hold,
    list_holds,
    load_held_records,
    load_hold,
    reject_hold,
)

COLUMNS = ("hold", "org", "entity", "kind", "missing", "live", "status", "approved_up_to", "created_at", "reason")
RECORD_COLUMNS = ("external_id", "entity_id", "times_missed", "first_missed_at")
SHOWN = 50
_MAY = {HoldKind.DELETIONS: "may be deleted", HoldKind.OLDER: "may revert to an older version"}


@click.group()
def holds() -> None:
    """Review deletions and older versions that are held back, and approve or reject them.

    If more records of an entity are missing at the source than the deletion limits
    allow, none of them is deleted until a person decides. The same applies if the
    source returns that many records in an older version than the stored one.
    """


@holds.command("list")
@click.option("--org", help="Only the holds of this org.")
@click.option("--all", "is_all", is_flag=True, help="Include closed holds.")
@as_json
@pass_deployment
def list_(deployment: Deployment, org: str | None, is_all: bool, as_json: bool) -> None:
    """List the open holds."""
    wanted = None if org is None else parse_org(org)
    with open_database(deployment.settings) as database:
        rows = [_row(hold) for hold in list_holds(database, wanted, is_all=is_all)]
    if as_json or rows:
        print_rows(rows, COLUMNS, as_json=as_json)
    else:
        click.echo("there are no open holds", err=True)


@holds.command()
@click.argument("hold_id", type=int, metavar="ID")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"Show at most this many records; without --json the default is {SHOWN}.",
)
@click.option("--names", is_flag=True, help="Include the records' names.")
@as_json
@pass_deployment
def show(deployment: Deployment, hold_id: int, limit: int | None, names: bool, as_json: bool) -> None:
    """Show a hold, and the records that would be deleted or reverted to an older version.

    Names are personal data, so they are shown only with --names.
    """
    with open_database(deployment.settings) as database:
        hold = load_hold(database, hold_id)
        most = limit or (None if as_json else SHOWN)
        rows = [
            _record(record, with_names=names) for record in load_held_records(database, hold, most, with_names=names)
        ]
    if as_json:
        print_json({**_row(hold), "records": rows})
        return
    click.echo(f"hold {hold.hold_id} ({hold.status}): {hold.reason}")
    print_rows(rows, (*RECORD_COLUMNS, *(("name",) if names else ())), as_json=False)
    if len(rows) < hold.missing:
        click.echo(f"{len(rows):,} of {hold.missing:,} records shown; use --json for all of them", err=True)
    if hold.status is HoldStatus.OPEN:
        click.echo(
            f"next: openfaith-sync holds approve {hold_id}, or to keep them: openfaith-sync holds reject {hold_id}",
            err=True,
        )


@holds.command()
@click.argument("hold_id", type=int, metavar="ID", required=False)
@click.option("--org", help="With --all: the org whose holds are approved.")
@click.option("--all", "is_all", is_flag=True, help="Approve every open hold of the org.")
@as_json
@pass_deployment
def approve(deployment: Deployment, hold_id: int | None, org: str | None, is_all: bool, as_json: bool) -> None:
    """Approve a hold: the next reconciliation deletes or reverts its records after checking them again.

    The number of records held now is a ceiling: if the next reconciliation finds
    more of them, it stops again and changes none. Records nested below these,
    such as the memberships of a household, are approved with them.
    Examples: openfaith-sync holds approve 7
              openfaith-sync holds approve --org grace --all
    """
    if is_all != (org is not None) or is_all == (hold_id is not None):
        raise click.UsageError("specify one hold by its number, or all holds of an org with --org ORG --all")
    with open_database(deployment.settings) as database:
        selected = [load_hold(database, hold_id)] if hold_id is not None else _open_holds(database, str(org))
        approved: dict[int, Hold] = {}
        for hold in selected:
            if hold.hold_id not in approved:
                approvals = approve_hold(database, hold.hold_id, _nested_below(deployment, hold))
                approved |= {one.hold_id: one for one in approvals}
    if as_json:
        rows = [_row(hold) for hold in approved.values()]
        print_json(rows if is_all else rows[0])
        return
    for hold in approved.values():
        most = counted(hold.approved_up_to or 0, "record")
        click.echo(f"approved: up to {most} of {hold.key.entity} of {hold.key.org} {_MAY[hold.kind]}")
        click.echo(f"next: openfaith-sync sync {hold.key.org} --entity {hold.key.entity} --mode reconciliation")
    if not approved:
        click.echo("there are no open holds", err=True)


def _open_holds(database: Database, org: str) -> list[Hold]:
    return [hold for hold in list_holds(database, parse_org(org)) if hold.status is HoldStatus.OPEN]


def _nested_below(deployment: Deployment, hold: Hold) -> list[EntityName]:
    """Return the entities whose records exist only below those of the hold."""
    manifest = read_manifest(deployment.settings.manifests, hold.key.adapter)
    return [name for name, entity in manifest.entities.items() if entity.parent == hold.key.entity]


@holds.command()
@click.argument("hold_id", type=int, metavar="ID")
@as_json
@pass_deployment
def reject(deployment: Deployment, hold_id: int, as_json: bool) -> None:
    """Close a hold and keep its rows; the next reconciliation may stop again."""
    with open_database(deployment.settings) as database:
        hold = reject_hold(database, hold_id)
    if as_json:
        print_json(_row(hold))
        return
    click.echo(f"rejected: {counted(hold.missing, 'record')} of {hold.key.entity} of {hold.key.org} are unchanged")


def _row(hold: Hold) -> dict[str, Any]:
    return {
        "hold": hold.hold_id,
        "org": hold.key.org,
        "entity": f"{hold.key.adapter}/{hold.key.entity}",
        "kind": hold.kind.value,
        "missing": hold.missing,
        "live": hold.live,
        "status": hold.status.value,
        "approved_up_to": hold.approved_up_to,
        "created_at": hold.created_at,
        "decided_at": hold.decided_at,
        "reason": hold.reason,
    }


def _record(record: HeldRecord, *, with_names: bool) -> dict[str, Any]:
    row = {
        "external_id": record.external_id,
        "entity_id": record.entity_id,
        "times_missed": record.times_missed,
        "first_missed_at": record.first_missed_at,
    }
    return {**row, "name": record.name} if with_names else row
