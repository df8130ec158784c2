"""``plan``: what will run, when, why, and what it will cost and delete."""

from collections.abc import Iterable, Sequence
from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.connection_lookup import load_listed_connection
from openfaith_sync.commands.costs import print_costs
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, counted, print_json, print_rows
from openfaith_sync.commands.plan_facts import OrgPlan, plan_org
from openfaith_sync.domain.ids import AdapterName, parse_org
from openfaith_sync.domain.planning.deletion_forecast import DeletionForecast, SafetyStopForecast
from openfaith_sync.domain.planning.pass_forecast import PassForecast
from openfaith_sync.domain.planning.ranges import Range
from openfaith_sync.domain.planning.run_forecast import RunForecast
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.schedule.planned_work import NextRun, count_unseen, load_next_runs

COLUMNS = ("what", "due", "why", "requests", "minutes", "deletes")
ALL_COLUMNS = ("org", "adapter", "what", "due", "state", "last_outcome", "requests_last_time")
PASS_COLUMNS = ("entity", "mode", "records", "requests", "missing", "deletes", "note")

_TITLES = {
    WorkMode.FULL: "full sync",
    WorkMode.DELTA: "check for changes",
    WorkMode.RECONCILIATION: "reconciliation",
    WorkMode.RECORDS: "webhook events",
    WorkMode.SUBSCRIPTIONS: "webhook upkeep",
}


@click.command()
@click.argument("org", required=False)
@adapter_option
@click.option("--offline", is_flag=True, help="Predict from what is stored; send no request.")
@click.option("--cost", is_flag=True, help="Show what each entity costs in requests while nothing changes.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="Without ORG: show at most this many runs."
)
@as_json
@pass_deployment
def plan(
    deployment: Deployment, org: str | None, adapter: str | None, offline: bool, cost: bool, limit: int, as_json: bool
) -> None:
    """Predict the syncs of ORG: what runs when and why, its requests, its time and its deletions.

    The source is asked for its counts and newest records, which takes about one
    request per entity; nothing is stored. Deletions are a range: at least what the
    counts prove, at most what they leave open.

    Without ORG, list the next runs of all orgs, with the requests that such a run
    took last time; no source is asked.

    \b
    requests   that the run most likely sends, and at most
    minutes    at the connection's present request budget
    missing    records that are stored and missing at the source
    deletes    of these, the ones that are marked deleted without a person's approval

    \b
    Examples:
      openfaith-sync plan grace --json
      openfaith-sync plan grace --cost --offline
    """  # noqa: D301  click's marker for lines that are not rewrapped
    if org is None and cost:
        raise click.UsageError("--cost requires ORG; for the manifest alone: openfaith-sync graph --cost")
    if org is None:
        with open_database(deployment.settings) as database:
            name = None if adapter is None else AdapterName(adapter)
            runs, unseen = load_next_runs(database, name, limit), count_unseen(database, name)
        _print_all(runs, unseen, as_json=as_json)
        return
    with open_database(deployment.settings) as database:
        chosen = find_adapter(database, parse_org(org), adapter)
        manifest = read_manifest(deployment.settings.manifests, chosen)
        connection = load_listed_connection(database, org, chosen)
        found = plan_org(database, manifest, connection, is_offline=offline, with_costs=cost)
    if cost:
        print_costs(found, as_json=as_json)
        return
    planned = [run for run in found.runs if run.mode is not WorkMode.SUBSCRIPTIONS or deployment.settings.public_url]
    if as_json:
        print_json(_json(org, chosen, found, planned))
        return
    _print_org(found, planned)


def _print_all(runs: Sequence[NextRun], unseen: int, *, as_json: bool) -> None:
    """Print the next runs of all orgs."""
    rows = [
        {
            "org": run.org,
            "adapter": run.adapter,
            "what": _TITLES[run.mode],
            "due": run.due,
            "state": "in progress"
            if run.is_under_way
            else f"attempt {run.attempts + 1}"
            if run.attempts
            else "planned",
            "last_outcome": run.reason,
            "requests_last_time": run.requests,
        }
        for run in runs
    ]
    if as_json or rows:
        print_rows(rows, ALL_COLUMNS, as_json=as_json)
    if unseen:
        click.echo(
            f"{unseen:,} connected {'org is' if unseen == 1 else 'orgs are'} not planned yet: "
            "the Dagster daemon plans what is connected when it runs",
            err=True,
        )
    elif not rows:
        click.echo("no org is connected; connect one with: openfaith-sync org add NAME", err=True)


def _print_org(found: OrgPlan, runs: Sequence[RunForecast]) -> None:
    """Print the plan of one org."""
    print_rows([_row(run, found.predict_seconds(run)) for run in runs], COLUMNS, as_json=False)
    for run in runs:
        if run.passes:
            click.echo(f"\n{_TITLES[run.mode]}, by entity:")
            print_rows([_pass_row(one) for one in run.passes], PASS_COLUMNS, as_json=False)
    for line in _remarks(found, runs):
        click.echo(line, err=True)


def _row(run: RunForecast, seconds: tuple[float, float] | None) -> dict[str, Any]:
    return {
        "what": _TITLES[run.mode],
        "due": "in progress" if run.is_under_way else run.due or "when requested",
        "why": run.why,
        "requests": _requests(run),
        "minutes": None if seconds is None else _minutes(*seconds),
        "deletes": _text(run.deletions),
    }


def _pass_row(one: PassForecast) -> dict[str, Any]:
    deletions = one.deletions
    return {
        "entity": one.entity,
        "mode": one.mode.value,
        "records": one.records,
        "requests": _text(one.requests),
        "missing": None if deletions is None else _missing(deletions),
        "deletes": None if deletions is None else str(deletions.deletions),
        "note": one.note,
    }


def _missing(deletions: DeletionForecast) -> str:
    return str(deletions.missing) if deletions.is_counted else "not counted"


def _requests(run: RunForecast) -> str | None:
    requests, likely = run.requests, run.likely_requests
    if requests is None or likely is None:
        return None
    return f"{likely:,}" if requests.least == requests.most else f"{likely:,}, at most {requests.most:,}"


def _text(found: Range | None) -> str | None:
    return None if found is None else str(found)


def _minutes(shortest: float, longest: float) -> str:
    least, most = f"{shortest / 60:,.1f}", f"{longest / 60:,.1f}"
    return least if least == most else f"{least} to {most}"


def _remarks(found: OrgPlan, runs: Iterable[RunForecast]) -> Iterable[str]:
    """Yield what a person should know beside the tables."""
    pace = found.pace
    asked = (
        f"asked the source with {counted(found.requests, 'request')}"
        if found.is_source_asked
        else "did not ask the source"
    )
    yield (
        f"budget: {pace.allowed} of {pace.limit} requests in {pace.period:.0f} s may be used, {pace.used} are; {asked}"
    )
    if found.remark:
        yield found.remark
    for run in runs:
        for one in run.passes:
            deletions = one.deletions
            if deletions is None or deletions.stop is SafetyStopForecast.NO:
                continue
            yield (
                f"safety stop: {deletions.missing} records of {one.entity} are missing at the source; the "
                f"{_TITLES[run.mode]} {deletions.stop.value} hold them for a person: openfaith-sync holds list"
            )


def _json(org: str, adapter: str, found: OrgPlan, runs: Iterable[RunForecast]) -> dict[str, Any]:
    pace = found.pace
    return {
        "org": org,
        "adapter": adapter,
        "source_asked": found.is_source_asked,
        "requests_taken": found.requests,
        "remark": found.remark,
        "budget": {"limit": pace.limit, "allowed": pace.allowed, "used": pace.used, "period_seconds": pace.period},
        "runs": [_run_json(run, found.predict_seconds(run)) for run in runs],
    }


def _run_json(run: RunForecast, seconds: tuple[float, float] | None) -> dict[str, Any]:
    return {
        "what": run.mode.value,
        "due": run.due,
        "in_progress": run.is_under_way,
        "why": run.why,
        "requests": run.requests and {**(_range_json(run.requests) or {}), "likely": run.likely_requests},
        "seconds": None if seconds is None else {"from": round(seconds[0], 1), "to": round(seconds[1], 1)},
        "deletes": _range_json(run.deletions),
        "entities": [
            {
                "entity": one.entity,
                "mode": one.mode.value,
                "records": one.records,
                "requests": _range_json(one.requests),
                "missing": _range_json(one.deletions.missing) if one.deletions else None,
                "missing_is_counted": one.deletions.is_counted if one.deletions else None,
                "deletes": _range_json(one.deletions.deletions) if one.deletions else None,
                "safety_stop": one.deletions.stop.value if one.deletions else None,
                "note": one.note,
            }
            for one in run.passes
        ],
    }


def _range_json(found: Range | None) -> dict[str, int] | None:
    return None if found is None else {"from": found.least, "to": found.most}
