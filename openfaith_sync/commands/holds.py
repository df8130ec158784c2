"""``holds``: deletions and older versions that wait for a person, and what the person says."""

from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.printing import as_json, print_json, print_rows
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
_MAY = {HoldKind.DELETIONS: "may go", HoldKind.OLDER: "may go back to an older version"}


@click.group()
def holds() -> None:
    """Look at deletions and older versions that wait for a person, and decide about them.

    When more of an entity is missing at the source than may vanish at once,
    nothing of it is deleted before a person has looked. The same holds when
    the source shows so many records in an older version than the one held.
    """


@holds.command("list")
@click.option("--org", help="Only those of this org.")
@click.option("--all", "is_all", is_flag=True, help="Also those that are over.")
@as_json
@pass_deployment
def list_(deployment: Deployment, org: str | None, is_all: bool, as_json: bool) -> None:
    """List the holds that stand."""
    wanted = None if org is None else parse_org(org)
    with open_database(deployment.settings) as database:
        rows = [_row(hold) for hold in list_holds(database, wanted, is_all=is_all)]
    if as_json or rows:
        print_rows(rows, COLUMNS, as_json=as_json)
    else:
        click.echo("nothing is held", err=True)


@holds.command()
@click.argument("hold_id", type=int, metavar="ID")
@click.option("--limit", type=click.IntRange(min=1), help=f"Show so many records; without --json {SHOWN} are shown.")
@click.option("--names", is_flag=True, help="Also show what the records are called.")
@as_json
@pass_deployment
def show(deployment: Deployment, hold_id: int, limit: int | None, names: bool, as_json: bool) -> None:
    """Show a hold, and the records that would be deleted or stored in an older version.

    Names are shown only when asked for: they are people's.
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
        click.echo(f"{len(rows):,} of {hold.missing:,} records shown; all of them: --json", err=True)


@holds.command()
@click.argument("hold_id", type=int, metavar="ID", required=False)
@click.option("--org", help="With --all: the org whose holds are approved.")
@click.option("--all", "is_all", is_flag=True, help="Approve every open hold of the org.")
@as_json
@pass_deployment
def approve(deployment: Deployment, hold_id: int | None, org: str | None, is_all: bool, as_json: bool) -> None:
    """Let the records of a hold go, or go back, once the check was run again.

    The number of records that wait now is a ceiling: when the next reconciliation
    finds more of them, it stops again and changes none. What hangs below records
    that may go, such as the memberships of a household, is approved with them.

    Examples: openfaith-sync holds approve 7

              openfaith-sync holds approve --org grace --all
    """
    if is_all != (org is not None) or is_all == (hold_id is not None):
        raise click.UsageError("name one hold by its number, or all of an org with --org ORG --all")
    with open_database(deployment.settings) as database:
        wanted = [load_hold(database, hold_id)] if hold_id is not None else _open_holds(database, str(org))
        approved: dict[int, Hold] = {}
        for hold in wanted:
            if hold.hold_id not in approved:
                found = approve_hold(database, hold.hold_id, _nested_below(deployment, hold))
                approved |= {one.hold_id: one for one in found}
    if as_json:
        rows = [_row(hold) for hold in approved.values()]
        print_json(rows if is_all else rows[0])
        return
    for hold in approved.values():
        click.echo(
            f"approved: up to {hold.approved_up_to:,} records of {hold.key.entity} of {hold.key.org} {_MAY[hold.kind]}"
        )
        click.echo(f"next: openfaith-sync sync {hold.key.org} --entity {hold.key.entity} --mode reconciliation")
    if not approved:
        click.echo("no hold is open", err=True)


def _open_holds(database: Database, org: str) -> list[Hold]:
    return [hold for hold in list_holds(database, parse_org(org)) if hold.status is HoldStatus.OPEN]


def _nested_below(deployment: Deployment, hold: Hold) -> list[EntityName]:
    """Return the entities whose records exist only below those of the hold."""
    manifest = read_manifest(deployment.settings.manifests, hold.key.adapter)
    return [name for name, part in manifest.entities.items() if part.parent == hold.key.entity]


@holds.command()
@click.argument("hold_id", type=int, metavar="ID")
@as_json
@pass_deployment
def reject(deployment: Deployment, hold_id: int, as_json: bool) -> None:
    """Close a hold and keep the rows; the next reconciliation may stop again."""
    with open_database(deployment.settings) as database:
        hold = reject_hold(database, hold_id)
    if as_json:
        print_json(_row(hold))
        return
    click.echo(f"rejected: {hold.missing:,} records of {hold.key.entity} of {hold.key.org} stay as they are")


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
