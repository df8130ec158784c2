"""``status ORG``: what is stored of each entity, how fresh it is, and what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from openfaith_sync.commands.connection_lookup import unknown_org
from openfaith_sync.commands.deployment import Deployment
from openfaith_sync.commands.output import counted, print_rows
from openfaith_sync.commands.refused_entities import Refusals, describe_access, load_access, with_access
from openfaith_sync.commands.status_text import org_lines, problem_lines
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.problems.org_status import OrgStatus, PassUnderWay
from openfaith_sync.domain.schedule.chosen_intervals import format_interval
from openfaith_sync.store.admin.reports import EntityStatus, status_rows
from openfaith_sync.store.connections.connections import ListedConnection, list_connections
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import list_inboxes
from openfaith_sync.store.schedule.intervals import CheckedEntity, load_checked

COLUMNS = (
    "entity", "live", "dead_letters", "every", "asked", "compared", "completed", "mode", "created", "updated",
    "unchanged", "watermark", "problems", "access", "open_pass",
)  # fmt: skip

_Passes = Mapping[tuple[AdapterName, EntityName], PassUnderWay]


def print_entities(
    deployment: Deployment,
    database: Database,
    org: OrgId,
    statuses: Sequence[OrgStatus],
    now: datetime,
    *,
    as_json: bool,
) -> None:
    """Print the entities of one org on standard output, and what there is to say of them on standard error.

    Raises:
        UsageError: The org is neither connected nor has any data.
    """
    entities = status_rows(database, org)
    connections = list_connections(database, org)
    if not statuses and not entities:
        raise unknown_org(database, org)
    passes = {(one.facts.adapter, part.entity): part for one in statuses for part in one.facts.passes}
    refusals, checked = load_access(deployment, database, org), load_checked(database, org)
    rows = with_access(
        [_row(one, checked.get((one.adapter, one.entity)), statuses, passes) for one in entities], refusals
    )
    if statuses and not as_json:
        click.echo("\n".join(org_lines(statuses, now)) + "\n")
    if as_json or rows:
        print_rows(rows, COLUMNS, as_json=as_json)
    for line in _remarks(database, org, statuses, connections, refusals):
        click.echo(line, err=True)


def _remarks(
    database: Database,
    org: OrgId,
    statuses: Sequence[OrgStatus],
    connections: Sequence[ListedConnection],
    refusals: Refusals,
) -> Iterator[str]:
    for status in statuses:
        yield from problem_lines(status.problems)
    yield from describe_access(refusals)
    for inbox in list_inboxes(database, org):
        due = f", {inbox.due:,} due since {inbox.oldest_due:%Y-%m-%d %H:%M:%S} UTC" if inbox.due else ""
        yield f"{inbox.org} has {inbox.waiting:,} events waiting in its inbox{due}"
    for connection in connections:
        if connection.awaits_confirmation and connection.organization:
            yield f"{org}: the source calls it {connection.organization!r}"
    if not statuses:
        yield f"{org} is not connected; its data is kept"


def _row(
    entity: EntityStatus, checked: CheckedEntity | None, statuses: Sequence[OrgStatus], passes: _Passes
) -> dict[str, Any]:
    last = entity.last_pass
    kinds = [
        problem.kind.value
        for status in statuses
        for problem in status.problems
        if status.facts.adapter == entity.adapter and problem.affects(entity.org, entity.entity)
    ]
    under_way = passes.get((entity.adapter, entity.entity))
    return {
        "org": entity.org,
        "entity": f"{entity.adapter}/{entity.entity}",
        "live": entity.live,
        "dead_letters": entity.dead_letters,
        "every": checked and format_interval(checked.every),
        "asked": entity.asked_at,
        "compared": checked and checked.compared_at,
        "completed": last and last.ended_at,
        "mode": last and last.mode.value,
        "created": last and last.counts.created,
        "updated": last and last.counts.updated,
        "unchanged": last and last.counts.unchanged,
        "watermark": entity.watermark,
        "problems": ", ".join(dict.fromkeys(kinds)) or None,
        "open_pass": under_way and _describe(under_way),
    }


def _describe(under_way: PassUnderWay) -> str:
    of = "" if under_way.total is None else f" of {under_way.total:,}"
    waits = "" if under_way.is_alive else "; the next sync resumes it"
    return f"{under_way.mode}: {under_way.records:,}{of} records, {counted(under_way.pages, 'page')}{waits}"
