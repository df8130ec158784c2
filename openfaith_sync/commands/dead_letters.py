"""``dead-letters``: list the records that were set aside, show one, and replay them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.connection_lookup import unknown_org
from openfaith_sync.commands.dead_letter_view import letter_json, print_letter
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.dead_letters.dead_letter import DeadLetterGroup, LetterFilter
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey, parse_org
from openfaith_sync.sessions.opening import open_replay
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.dead_letters.dead_letters import list_dead_letter_groups, load_dead_letter

GROUP_COLUMNS = ("org", "entity", "count", "reason", "first_seen", "last_seen", "ids")
REPLAY_COLUMNS = ("org", "entity", "replayed", "created", "updated", "unchanged", "still_failing", "not_replayable")

_adapter = click.option("--adapter", metavar="NAME", help="Only those of this adapter.")
_entity = click.option("--entity", metavar="NAME", help="Only those of this entity.")
_reason = click.option("--reason", metavar="TEXT", help="Only those whose reason contains this text.")


@click.group("dead-letters")
def dead_letters() -> None:
    """List the records that were set aside because they could not be stored, show one, and replay them.

    A dead letter keeps the record as the source sent it. Once the manifest is
    corrected it can be stored without another request. That happens by itself
    with the next sync of its entity; `replay` does it now.
    """


@dead_letters.command("list")
@click.argument("org", required=False)
@_adapter
@_entity
@_reason
@as_json
@pass_deployment
def list_(
    deployment: Deployment, org: str | None, adapter: str | None, entity: str | None, reason: str | None, as_json: bool
) -> None:
    """List the dead letters of ORG, or of every org, by reason. No values of records are shown.

    \b
    Examples:
      openfaith-sync dead-letters list
      openfaith-sync dead-letters list grace --entity email --reason "a reference to a person"
    """  # noqa: D301  click's marker for lines that are not rewrapped
    wanted = None if org is None else parse_org(org)
    with open_database(deployment.settings) as database:
        groups = _load_groups(database, wanted, adapter, entity, reason)
    if as_json:
        print_json([_group_json(group) for group in groups])
        return
    if not groups:
        chosen = any((adapter, entity, reason))
        click.echo(f"there are no {'such ' if chosen else ''}dead letters", err=True)
        return
    print_rows([_group_row(group) for group in groups], GROUP_COLUMNS, as_json=False)
    for group in groups:
        lost = group.count - group.replayable
        click.echo(f"\n{group.key}, {group.described}", err=True)
        click.echo(f"  show one:   {group.show_command}", err=True)
        click.echo(f"  {'replay all' if group.replayable else 'read again'}: {group.replay_command}", err=True)
        if lost:
            click.echo(f"  {lost:,} of them have no whole raw record; a full sync reads them again", err=True)


@dead_letters.command()
@click.argument("letter_id", type=int, metavar="ID")
@click.option("--values", is_flag=True, help="Include values that may be personal.")
@as_json
@pass_deployment
def show(deployment: Deployment, letter_id: int, values: bool, as_json: bool) -> None:
    """Show a dead letter: its raw record, and field by field what the present manifest makes of it.

    Values that may be personal are hidden without --values: those of personal and
    sensitive columns, and of everything that has no column.

    \b
    Example: openfaith-sync dead-letters show 12
    """  # noqa: D301  click's marker for lines that are not rewrapped
    with open_database(deployment.settings) as database:
        letter = load_dead_letter(database, letter_id)
        manifests = deployment.settings.manifests
        with open_replay(database, read_manifest(manifests, letter.key.adapter), letter.key.org) as replay:
            found = letter_json(letter, replay, manifests / letter.key.adapter, with_values=values)
    if as_json:
        print_json(found)
    else:
        print_letter(found)


@dead_letters.command()
@click.argument("target", metavar="ID|ORG")
@_adapter
@_entity
@_reason
@click.option("--all", "is_all", is_flag=True, help="Replay every dead letter of ORG.")
@as_json
@pass_deployment
@click.pass_context
def replay(
    context: click.Context,
    deployment: Deployment,
    target: str,
    adapter: str | None,
    entity: str | None,
    reason: str | None,
    is_all: bool,
    as_json: bool,
) -> None:
    """Map dead letters again with the present manifest, and store those that it can map. Sends no request.

    Replays one dead letter by its ID, or those of ORG by entity, by reason or
    all. A newer version that is stored is never overwritten. Those that fail
    again stay, with the reason of now; the exit status is then 1.

    \b
    Examples:
      openfaith-sync dead-letters replay 12
      openfaith-sync dead-letters replay grace --entity email
      openfaith-sync dead-letters replay grace --all
    """  # noqa: D301  click's marker for lines that are not rewrapped
    is_chosen = is_all or any((entity, reason))
    is_one = target.isascii() and target.isdigit() and not is_chosen
    if not is_one and (not is_chosen or (is_all and any((entity, reason)))):
        raise click.UsageError("specify one dead letter by its ID, or those of an ORG by --entity, --reason or --all")
    with open_database(deployment.settings) as database:
        if is_one:
            letter = load_dead_letter(database, int(target))
            if letter.resolved_at is not None:
                click.echo(f"dead letter {letter.letter_id} is resolved already", err=True)
            lost = int(letter.resolved_at is None and not letter.is_replayable)
            rows = [_replay(deployment, database, letter.key, LetterFilter(letter.letter_id), lost)]
        else:
            groups = _load_groups(database, parse_org(target), adapter, entity, reason)
            rows = list(_replay_groups(deployment, database, groups, reason))
    if as_json or rows:
        print_rows(rows, REPLAY_COLUMNS, as_json=as_json)
    else:
        click.echo("there are no such dead letters", err=True)
    _report(rows)
    if any(row["still_failing"] or row["not_replayable"] for row in rows):
        context.exit(1)


def _load_groups(
    database: Database, org: OrgId | None, adapter: str | None, entity: str | None, reason: str | None
) -> list[DeadLetterGroup]:
    """Return the dead letters that are chosen; an org that is mistyped is an error and not one without any."""
    name = None if adapter is None else AdapterName(adapter)
    groups = list_dead_letter_groups(database, org, name, None if entity is None else EntityName(entity), reason)
    # An org that was disconnected keeps its dead letters.
    is_known = org is None or groups or list_connections(database, org)
    if org is not None and not is_known and not list_dead_letter_groups(database, org, None, None, None):
        raise unknown_org(database, org)
    return groups


def _replay_groups(
    deployment: Deployment, database: Database, groups: Sequence[DeadLetterGroup], reason: str | None
) -> Iterator[dict[str, Any]]:
    lost: dict[SyncKey, int] = {}
    for group in groups:
        lost[group.key] = lost.get(group.key, 0) + group.count - group.replayable
    for key, count in lost.items():
        yield _replay(deployment, database, key, LetterFilter(reason=reason), count)


def _replay(
    deployment: Deployment, database: Database, key: SyncKey, chosen: LetterFilter, not_replayable: int
) -> dict[str, Any]:
    manifest = read_manifest(deployment.settings.manifests, key.adapter)
    if key.entity not in manifest.entities:
        known = ", ".join(manifest.entities)
        raise UsageError(f"{key} cannot be replayed: the {key.adapter} manifest has no such entity now; it has {known}")
    with open_replay(database, manifest, key.org) as replay:
        counts = replay.run(key.entity, chosen)
    return {
        "org": key.org,
        "entity": f"{key.adapter}/{key.entity}",
        "replayed": counts.replayed,
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "still_failing": counts.failed,
        "not_replayable": not_replayable,
    }


def _report(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        if row["still_failing"]:
            click.echo(f"{row['entity']} still fails: openfaith-sync dead-letters list {row['org']}", err=True)
        if row["not_replayable"]:
            adapter, _, entity = row["entity"].partition("/")
            click.echo(
                f"{row['not_replayable']:,} of {row['entity']} have no whole raw record; read them again with: "
                f"openfaith-sync sync {row['org']} --adapter {adapter} --entity {entity} --mode full",
                err=True,
            )


def _group_row(group: DeadLetterGroup) -> dict[str, Any]:
    return {
        "org": group.key.org,
        "entity": f"{group.key.adapter}/{group.key.entity}",
        "count": group.count,
        "reason": group.described,
        "first_seen": group.first_seen_at,
        "last_seen": group.last_seen_at,
        "ids": ", ".join(map(str, group.examples)) + (", …" if group.count > len(group.examples) else ""),
    }


def _group_json(group: DeadLetterGroup) -> dict[str, Any]:
    return {
        "org": group.key.org,
        "entity": f"{group.key.adapter}/{group.key.entity}",
        "field": group.field,
        "value_type": group.value_type,
        "reason": group.reason,
        "count": group.count,
        "replayable": group.replayable,
        "first_seen_at": group.first_seen_at,
        "last_seen_at": group.last_seen_at,
        "ids": list(group.examples),
        "show": group.show_command,
        "replay": group.replay_command,
    }
