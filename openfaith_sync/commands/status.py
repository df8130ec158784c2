"""``status``: the stored data of each org, and how fresh it is."""

from collections.abc import Sequence
from typing import Any

import click

from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_rows
from openfaith_sync.commands.refused_entities import describe_access, load_access, with_access
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import OrgId, SyncKey, parse_org
from openfaith_sync.domain.passes.deletions import HoldKind
from openfaith_sync.domain.passes.passes import OpenPass
from openfaith_sync.store.admin.reports import EntityStatus, status_rows
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.deletions.hold_decisions import list_holds
from openfaith_sync.store.inbox.inbox import list_inboxes
from openfaith_sync.store.outages.alerts import Alert, list_alerts
from openfaith_sync.store.outages.breakers import UnreachableSource, list_unreachable
from openfaith_sync.store.postgres_store import open_store

COLUMNS = (
    "org", "entity", "live", "dead_letters", "completed", "mode", "created", "updated", "unchanged", "watermark",
    "hold", "alert", "access", "open_pass",
)  # fmt: skip

_WAITING = {HoldKind.DELETIONS: "deletions", HoldKind.OLDER: "older versions"}


@click.command()
@click.argument("org", required=False)
@as_json
@pass_deployment
def status(deployment: Deployment, org: str | None, as_json: bool) -> None:
    """Show what is stored for ORG, or for every org, and how fresh it is.

    \b
    live          stored records that are not tombstoned
    completed     when the last complete pass ended; mode and counts are of that pass
    watermark     newest version at the source that a complete pass covers
    hold          deletions or older versions held for a person: openfaith-sync holds show
    alert         what is wrong with the connection or its provider, while it lasts
    access        "not available": this connection could never read it, which is no failure;
                  "refused": it could before, so it is retried soon
    open pass     an unfinished pass; the next sync resumes it
    Example: openfaith-sync status grace --json
    """  # noqa: D301  click's marker for lines that are not rewrapped
    selected = None if org is None else parse_org(org)
    with open_database(deployment.settings) as database:
        connections = list_connections(database)
        known = sorted({connection.org for connection in connections})
        entities = status_rows(database, selected)
        if selected is not None and selected not in known and not entities:
            raise UsageError(f"there is no org {org!r}; known orgs: {', '.join(known) or 'none'}")
        holds = list_holds(database, selected)
        hold_ids = {(hold.key.org, hold.key.adapter, hold.key.entity): hold.hold_id for hold in holds}
        alerts = list_alerts(database, selected)
        rows = [
            _row(database, entity, hold_ids.get((entity.org, entity.adapter, entity.entity)), alerts)
            for entity in entities
        ]
        away = [one for one in list_unreachable(database) if selected is None or one.org in {None, selected}]
        inboxes = list_inboxes(database, selected)
        refusals = load_access(deployment, database, selected)
        refused = list(describe_access(database, refusals))
    synced = {row["org"] for row in rows}
    rows = with_access(rows, refusals)
    if as_json or rows:
        print_rows(rows, COLUMNS, as_json=as_json)
    for hold in holds:
        click.echo(f"{_WAITING[hold.kind]} are held for a decision: openfaith-sync holds show {hold.hold_id}", err=True)
    for line in (*map(_describe_alert, alerts), *map(_describe_away, away), *refused):
        click.echo(line, err=True)
    for inbox in inboxes:
        due = f", {inbox.due:,} due since {inbox.oldest_due:%Y-%m-%d %H:%M:%S} UTC" if inbox.due else ""
        click.echo(f"{inbox.org} has {inbox.waiting:,} events waiting in its inbox{due}", err=True)
    unconfirmed = [one for one in connections if one.awaits_confirmation and selected in {None, one.org}]
    for one in unconfirmed:
        called = f"the source calls it {one.organization!r}" if one.organization else "nobody has confirmed it"
        click.echo(f"{one.org} waits for you, and nothing of it is synced: {called}; {one.how_to_confirm}", err=True)
    for name in [selected] if selected else known:
        if name not in synced and name not in {one.org for one in unconfirmed}:
            click.echo(f"{name} has never been synced; sync it with: openfaith-sync sync {name}", err=True)
    if not known:
        click.echo("no org is connected; connect one with: openfaith-sync org add NAME", err=True)


def _row(database: Database, entity: EntityStatus, hold: int | None, alerts: Sequence[Alert]) -> dict[str, Any]:
    last = entity.last_pass
    return {
        "org": entity.org,
        "entity": f"{entity.adapter}/{entity.entity}",
        "live": entity.live,
        "dead_letters": entity.dead_letters,
        "completed": last and last.ended_at,
        "mode": last and last.mode.value,
        "created": last and last.counts.created,
        "updated": last and last.counts.updated,
        "unchanged": last and last.counts.unchanged,
        "watermark": entity.watermark,
        "hold": hold,
        "alert": ", ".join(alert.cause for alert in alerts if alert.concerns(entity.org, entity.adapter)) or None,
        "open_pass": None if entity.open_pass_id is None else _place(database, entity),
    }


def _describe_alert(alert: Alert) -> str:
    """Return a line with the alert's cause, start and affected orgs."""
    whom = "every org" if alert.is_general else f"{len(alert.orgs):,} orgs" if len(alert.orgs) > 1 else min(alert.orgs)
    return f"{alert.adapter} {alert.cause} since {alert.first_seen_at:%Y-%m-%d %H:%M:%S} UTC for {whom}: {alert.detail}"


def _describe_away(away: UnreachableSource) -> str:
    """Return a line about an unreachable source and its next probe."""
    whom = away.adapter if away.org is None else f"{away.org}/{away.adapter}"
    return (
        f"{whom} unreachable since {away.since:%Y-%m-%d %H:%M:%S} UTC; "
        f"{away.probes} probes failed, next at {away.probe_at:%H:%M:%S} UTC"
    )


def _place(database: Database, entity: EntityStatus) -> str | None:
    """Return a description of the open pass's progress."""
    org = OrgId(entity.org)
    with open_store(database, org) as store:
        opened = store.load_checkpoint(SyncKey(org, entity.adapter, entity.entity)).open_pass
    return _describe(opened) if opened else None


def _describe(open_pass: OpenPass) -> str:
    slices = open_pass.place.slices
    done = sum(part.done for part in slices)
    slice_text = f", {done} of {len(slices)} slices done" if len(slices) > 1 else ""
    return f"{open_pass.start.mode.value}: {open_pass.counts.records:,} records, {open_pass.pages:,} pages{slice_text}"
