"""``sync``: sync an org from the command line, without Dagster."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.connection_lookup import load_usable_connection
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_rows
from openfaith_sync.commands.sync_progress import ProgressDisplay, open_display
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.connections.scopes import find_unread
from openfaith_sync.domain.connections.selection import select_entities
from openfaith_sync.domain.errors import AccessDenied, NotSelected, UsageError
from openfaith_sync.domain.ids import EntityName, parse_org
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.records.record import UNREADABLE_VALUES
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.engine.org_sync import EntityOutcome, run_org
from openfaith_sync.sessions.alerting import telling_afterwards
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.store.admin.dagster_reports import MATERIALIZATION, UNREPORTED, ReportKey, store_reports
from openfaith_sync.store.connections.unavailable_entities import judge_ungranted, note_readable, note_refusal
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.schedule.work import note_synced

COLUMNS = (
    "entity", "result", "mode", "source", "stored", "created", "updated", "unchanged", "tombstoned",
    "dead_letters", "warnings", "pages", "requests", "seconds",
)  # fmt: skip


@click.command()
@click.argument("org")
@adapter_option
@click.option("--entity", "entities", multiple=True, help="Only this entity; repeatable.")
@click.option(
    "--mode",
    type=click.Choice(["auto", "full", "delta", "reconciliation"]),
    default="auto",
    show_default=True,
    help="auto: resume an open pass, else sync what has changed, else sync everything. "
    "reconciliation: compare all records, and resolve what is missing on either side.",
)
@as_json
@pass_deployment
@click.pass_context
def sync(
    context: click.Context,
    deployment: Deployment,
    org: str,
    adapter: str | None,
    entities: tuple[str, ...],
    mode: str,
    as_json: bool,
) -> None:
    """Sync ORG, entity by entity in the order of their dependencies.

    A sync can be stopped at any time; the next one resumes it. If an entity
    fails, the others continue, and the exit status is 1. An entity that this
    connection could never read is "not available", which is no failure.

    \b
    Examples:
      openfaith-sync sync grace
      openfaith-sync sync grace --entity person --entity email --mode full
    """  # noqa: D301  click's marker for lines that are not rewrapped
    urls, name = deployment.settings.alert_urls, parse_org(org)
    with open_database(deployment.settings) as database, telling_afterwards(database, urls, name):
        adapter = find_adapter(database, name, adapter)
        manifest = read_manifest(deployment.settings.manifests, adapter)
        graph = manifest.graph
        _require_known(graph, manifest, entities)
        connection = load_usable_connection(database, org, adapter)
        order = [
            name
            for name in graph.entities
            if name in (entities or select_entities(manifest, connection.only, connection.sensitive))
        ]
        unread = find_unread(manifest, connection)

        def judge(entity: EntityName, error: AccessDenied) -> Refusal:
            note = judge_ungranted if entity in unread else note_refusal
            return note(database, connection, entity, error)

        with (
            open_session(database, manifest, connection) as session,
            open_display(deployment.settings.log_format) as display,
        ):
            finished = list(
                _displayed(
                    run_org(
                        session,
                        order,
                        graph.hard,
                        mode=SyncMode(mode),
                        judge=judge,
                        refused=unread,
                        on_progress=display.show,
                    ),
                    display,
                )
            )
        for outcome in finished:
            if outcome.result is not None:
                note_readable(database, connection, outcome.entity)
        # Dagster's daemon writes the materializations: importing Dagster takes longer than a sync without changes.
        synced = [outcome.entity for outcome in finished if outcome.result is not None]
        keys = [ReportKey(connection.org, entity, MATERIALIZATION) for entity in synced]
        store_reports(database, adapter, dict.fromkeys(keys, UNREPORTED), connection.org)
        is_whole = not entities and not any(outcome.has_failed for outcome in finished)
        note_synced(database, connection.org, adapter, synced, _whole_modes(SyncMode(mode)) if is_whole else ())
    print_rows([_row(outcome) for outcome in finished], COLUMNS, as_json=as_json)
    if any(outcome.has_failed for outcome in finished):
        context.exit(1)


def _whole_modes(mode: SyncMode) -> tuple[WorkMode, ...]:
    """Return the work of a whole org that a sync of this mode does."""
    match mode:
        case SyncMode.RECONCILIATION:
            return (WorkMode.RECONCILIATION,)
        case SyncMode.AUTO | SyncMode.FULL:
            return (WorkMode.FULL,)
        case _:
            return ()


def _require_known(graph: DependencyGraph, manifest: Manifest, entities: tuple[str, ...]) -> None:
    unknown = sorted(set(entities) - set(manifest.entities))
    if unknown:
        known = ", ".join(graph.entities)
        raise UsageError(f"there is no entity {unknown[0]!r} in the {manifest.adapter} manifest; it has {known}")


def _displayed(outcomes: Iterable[EntityOutcome], display: ProgressDisplay) -> Iterator[EntityOutcome]:
    for outcome in outcomes:
        display.end(outcome)
        yield outcome


def _result(result: PassResult) -> str:
    """Return whether all records that the source counts are stored or rejected, and what is missing if not."""
    text = "resumed, complete" if result.resumed else "complete"
    for name, why in (("counted_but_not_listed", "counted but not listed"), ("listed_twice", "listed more than once")):
        if count := result.report.get(name):
            text += f", {count} {why}"
    return text


def _row(outcome: EntityOutcome) -> dict[str, Any]:
    result = outcome.result
    if result is None:
        because = outcome.skipped_because
        if outcome.is_unavailable:
            reason = f"{because} is not available" if because else str(outcome.error)
            title = "not selected" if isinstance(outcome.error, NotSelected) else "not available"
            return {"entity": outcome.entity, "result": title, "reason": reason}
        reason = f"{because} was not synced" if because else str(outcome.error)
        return {"entity": outcome.entity, "result": "skipped" if because else "failed", "reason": reason}
    return {
        "entity": outcome.entity,
        "result": _result(result),
        "mode": result.mode.value,
        "source": result.source_count,
        "stored": result.stored_count,
        "created": result.counts.created,
        "updated": result.counts.updated,
        "unchanged": result.counts.unchanged,
        "tombstoned": result.counts.tombstoned,
        "dead_letters": result.counts.dead,
        # Values that could not be read: their columns are empty, and the report names the attributes.
        "warnings": result.report.get(UNREADABLE_VALUES, 0),
        "pages": result.pages,
        "requests": result.requests,
        "seconds": round(result.duration.total_seconds(), 2),
        "report": result.report,
    }
