"""``status``: how each org is, what is wrong, and what to do about it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import click

from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json
from openfaith_sync.commands.status_text import org_lines, org_row, problem_lines, problem_row, summary_line
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId, parse_org
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.problems.org_status import OrgFacts, OrgStatus, judge_org, org_order
from openfaith_sync.domain.problems.problem import Problem
from openfaith_sync.store.admin.org_facts import list_org_facts
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.outages.alert_messages import list_failing_targets

MOST_FIRST_SYNCS = 20
"""Each is estimated with some statements for each of its entities; of more orgs, the open passes are shown alone."""


@click.command()
@click.argument("org", required=False)
@click.option("--problems", "only_problems", is_flag=True, help="Show only what is wrong, and the commands that help.")
@click.option(
    "--check", is_flag=True, help="Show only what people should know, and exit with status 1 if there is any."
)
@as_json
@pass_deployment
@click.pass_context
def status(
    context: click.Context, deployment: Deployment, org: str | None, *, only_problems: bool, check: bool, as_json: bool
) -> None:
    """Show how every org is, worst first; or what is stored for ORG, entity by entity.

    \b
    asked     when the source was last asked for changes
    changed   when a sync last changed a record here
    next      what comes next, and when: delta (changes), reconciliation (all ids) or full
    state     up to date; syncing, with the records so far and the time left, of a first sync also with
              the entities so far; behind, unreachable or paused, since when; or that it needs you, and
              which command helps
    \b
    Examples:
      openfaith-sync status
      openfaith-sync status grace --json
      openfaith-sync status --problems
      openfaith-sync status --check --json
    """  # noqa: D301  click's marker for lines that are not rewrapped
    selected = None if org is None else parse_org(org)
    with open_database(deployment.settings) as database:
        facts, now = list_org_facts(database, selected)
        facts = with_first_syncs(deployment, database, facts)
        problems = list_problems(database, selected)
        failing = list_failing_targets(database) if selected is None else []
        if selected is not None and not (check or only_problems):
            # Reading manifests takes as long as everything else here.
            from openfaith_sync.commands.entity_status import print_entities  # noqa: PLC0415

            print_entities(deployment, database, selected, judge_orgs(facts, problems, now), now, as_json=as_json)
            return
    if selected is not None and not facts:
        raise UsageError(f"there is no org {org!r}; list them with: openfaith-sync org list")
    if check or only_problems:
        shown = [problem for problem in problems if problem.is_red or not check]
        _print_problems(shown, facts, as_json=as_json)
        _print_failing(failing)
        context.exit(1 if check and (shown or failing) else 0)
    statuses = judge_orgs(facts, problems, now)
    if as_json:
        print_json([org_row(one) for one in statuses])
    elif statuses:
        click.echo("\n".join(org_lines(statuses, now)))
        click.echo(summary_line(statuses), err=True)
    _print_failing(failing)
    if not statuses:
        click.echo("no org is connected; connect one with: openfaith-sync org add NAME", err=True)


def with_first_syncs(deployment: Deployment, database: Database, facts: Sequence[OrgFacts]) -> list[OrgFacts]:
    """Return the facts with how far first syncs are; of many, those of the first orgs."""
    asked = [one for one in facts if any(part.mode is SyncMode.FULL for part in one.passes)][:MOST_FIRST_SYNCS]
    if not asked:
        return list(facts)
    # Reading manifests takes as long as everything else here.
    from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest  # noqa: PLC0415
    from openfaith_sync.store.admin.first_sync import load_first_sync  # noqa: PLC0415

    manifests = {
        adapter: read_manifest(deployment.settings.manifests, adapter) for adapter in {o.adapter for o in asked}
    }
    found = {(one.org, one.adapter): load_first_sync(database, manifests[one.adapter], one.org) for one in asked}
    return [replace(one, first_sync=found.get((one.org, one.adapter))) for one in facts]


def judge_orgs(facts: Iterable[OrgFacts], problems: Iterable[Problem], now: datetime) -> list[OrgStatus]:
    """Return the status of each connection, worst first."""
    of_connection: dict[tuple[OrgId, AdapterName], list[Problem]] = defaultdict(list)
    for problem in problems:
        for org in problem.affected_orgs:
            of_connection[org, problem.adapter].append(problem)
    found = (judge_org(one, of_connection.get((one.org, one.adapter), ()), now) for one in facts)
    return sorted(found, key=org_order)


def _print_problems(problems: Sequence[Problem], facts: Sequence[OrgFacts], *, as_json: bool) -> None:
    if as_json:
        print_json([problem_row(problem) for problem in problems])
    elif problems:
        click.echo("\n".join(problem_lines(problems)))
    else:
        orgs = len({one.org for one in facts})
        click.echo(f"nothing is wrong with {orgs:,} {'org' if orgs == 1 else 'orgs'}", err=True)


def _print_failing(targets: Iterable[tuple[str, str]]) -> None:
    for target, reason in targets:
        click.echo(f"alerts do not reach {target}: {reason}; openfaith-sync alerts list", err=True)
