"""``alerts``: what needs a person, who was told of it, and whether they can be told."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import click

from openfaith_sync.adapters.alert_targets.apprise_sender import NOT_A_URL, AppriseSender, understands
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.one_line_errors import FAILED
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.alerts.announcing import MessageKind
from openfaith_sync.domain.alerts.causes import AlertSeverity
from openfaith_sync.domain.alerts.messages import Message
from openfaith_sync.domain.alerts.targets import AlertTarget, build_target
from openfaith_sync.domain.connections.deployment_settings import ALERT_URLS
from openfaith_sync.store.admin.alert_detection import update_alerts
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.outages.alert_messages import TargetState, list_target_states
from openfaith_sync.store.outages.alerts import AlertReport, list_alert_reports

COLUMNS = ("alert", "severity", "adapter", "cause", "since", "until", "orgs", "told", "command")
TARGET_COLUMNS = ("target", "status", "last_sent", "waiting", "given_up", "failure", "next_at")
TEST_COLUMNS = ("target", "result", "reason")
NAMED = 3


@click.group()
def alerts() -> None:
    """Show what needs a person, and test the places that are told of it."""


@alerts.command("list")
@click.option("--all", "is_all", is_flag=True, help="Include alerts that are over, of the last 90 days.")
@as_json
@pass_deployment
def list_(deployment: Deployment, is_all: bool, as_json: bool) -> None:
    """List the open alerts, and the targets that are told of them.

    \b
    told        how many targets have accepted a message about the alert
    waiting     messages that a target has not accepted yet; they are sent again
    given up    messages that were over for three days before a target accepted them

    Of a target, only what is no secret is shown.

    \b
    Example: openfaith-sync alerts list --json
    """  # noqa: D301  click's marker for lines that are not rewrapped
    targets = [build_target(url) for url in deployment.settings.alert_urls]
    with open_database(deployment.settings) as database:
        update_alerts(database)
        reports = list_alert_reports(database, is_all=is_all)
        states = list_target_states(database)
    target_rows = _target_rows(targets, states)
    if as_json:
        print_json({"alerts": [_row(report, is_whole=True) for report in reports], "targets": target_rows})
        return
    if reports:
        print_rows([_row(report, is_whole=False) for report in reports], COLUMNS, as_json=False)
    else:
        click.echo("there are no open alerts" if not is_all else "there were no alerts", err=True)
    for report in reports:
        click.echo(f"alert {report.alert_id}: {report.detail}", err=True)
    if target_rows:
        print_rows(target_rows, TARGET_COLUMNS, as_json=False)
    if not targets:
        click.echo(f"nobody is told: set {ALERT_URLS} (see docs/alerts.md)", err=True)


@alerts.command("test")
@as_json
@pass_deployment
@click.pass_context
def test_(context: click.Context, deployment: Deployment, as_json: bool) -> None:
    """Send a test message to every target now; the exit status is 1 if one does not accept it.

    Example: OPENFAITH_ALERT_URLS=json://127.0.0.1:9000/hook openfaith-sync alerts test
    """
    urls = deployment.settings.alert_urls
    if not urls:
        raise click.UsageError(f"no target is set: {ALERT_URLS} holds their Apprise URLs (see docs/alerts.md)")
    rows = [_try(build_target(url)) for url in urls]
    print_rows(rows, TEST_COLUMNS, as_json=as_json)
    if any(row["reason"] for row in rows):
        context.exit(FAILED)


def _try(target: AlertTarget) -> dict[str, Any]:
    message = Message(
        uuid4(),
        MessageKind.OPENED,
        AlertSeverity.WARNING,
        "TEST: OpenFaith Sync can reach you",
        "Alerts will come here. Nothing is wrong; somebody ran: openfaith-sync alerts test",
        attempts=1,
    )
    reason = AppriseSender().send(target, message)
    return {"target": target.name, "result": "failed" if reason else "accepted", "reason": reason}


def _row(report: AlertReport, *, is_whole: bool) -> dict[str, Any]:
    row = {
        "alert": report.alert_id,
        "severity": report.severity.value,
        "adapter": report.adapter,
        "cause": report.cause,
        "since": report.opened_at,
        "until": report.closed_at,
        "orgs": list(report.orgs) if is_whole else _whom(report),
        "told": report.told if is_whole else f"{report.told} of {report.targets}",
        "command": report.command,
    }
    return {**row, "detail": report.detail, "is_general": report.is_general} if is_whole else row


def _whom(report: AlertReport) -> str:
    if report.is_general:
        return "every org"
    rest = len(report.orgs) - NAMED
    return ", ".join(report.orgs[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def _target_rows(targets: Sequence[AlertTarget], states: Sequence[TargetState]) -> list[dict[str, Any]]:
    """Return a row for each target that is set, and for each other one that messages still wait for."""
    by_key = {state.key: state for state in states}
    known = {target.key for target in targets}
    rows = [_target_row(target.name, by_key.get(target.key), is_set=True) | _unusable(target) for target in targets]
    left = [state for state in states if state.key not in known and (state.waiting or state.given_up)]
    return [*rows, *(_target_row(state.place, state, is_set=False) for state in left)]


def _unusable(target: AlertTarget) -> dict[str, Any]:
    return {} if understands(target) else {"status": "failing", "failure": NOT_A_URL}


def _target_row(name: str, state: TargetState | None, *, is_set: bool) -> dict[str, Any]:
    if not is_set:
        status = "no longer set"
    elif state is None or (state.last_sent_at is None and not state.failure):
        status = "nothing sent yet"
    else:
        status = "failing" if state.failure else "working"
    return {
        "target": name,
        "status": status,
        "last_sent": state and state.last_sent_at,
        "waiting": state.waiting if state else 0,
        "given_up": state.given_up if state else 0,
        "failure": state and state.failure,
        "next_at": state and state.next_at,
    }
