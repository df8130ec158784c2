"""Decide what Dagster is told: the checks that failed or passed since, and all of an org's once a day."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from openfaith_sync.defs.checks.check_names import CONNECTION_CHECKS, ENTITY_CHECKS, GIVING_CHECKS
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.problems.problem import Problem
from openfaith_sync.domain.schedule.due_work import ALL
from openfaith_sync.store.admin.dagster_reports import Report, ReportKey, Reports

States = Mapping[ReportKey, Sequence[Problem]]
"""The problems of each check that has any."""


def find_states(problems: Iterable[Problem]) -> States:
    """Return the problems of each check of each org: on its connection, and on the entity that they concern."""
    states: dict[ReportKey, list[Problem]] = defaultdict(list)
    for problem in problems:
        entities = problem.entities if problem.kind in {*ENTITY_CHECKS, *GIVING_CHECKS} else ()
        connection = (ALL,) if problem.kind in CONNECTION_CHECKS else ()
        for org in problem.affected_orgs:
            for entity in (*connection, *entities):
                states[ReportKey(org, entity, problem.kind)].append(problem)
    return states


def report_of(problems: Sequence[Problem]) -> Report:
    """Return what Dagster is told of a check with these problems; one that heals by itself and is small has passed."""
    if not problems:
        return Report(is_ok=True)
    text = "\n".join(sorted(f"{problem.detail} {problem.command}" for problem in problems))
    is_ok = not any(problem.is_red or problem.is_warned_of for problem in problems)
    return Report(is_ok, hashlib.sha256(text.encode()).hexdigest()[:16])


def find_news(states: States, told: Reports, due: Iterable[OrgId]) -> list[ReportKey]:
    """Return the checks to report, the urgent ones first: new problems, what is over, and then the daily reports.

    Args:
        states: The problems that there are now.
        told: What Dagster was last told, of all checks for which this was a problem.
        due: The orgs whose checks are all to be reported, as nothing was within the last day.
    """
    new = [key for key, problems in states.items() if _is_news(report_of(problems), told.get(key))]
    over = [key for key in told if key not in states]
    daily = [ReportKey(org, ALL, kind) for org in due for kind in CONNECTION_CHECKS]
    failing = [key for key in new if not report_of(states[key]).is_ok]
    return list(dict.fromkeys((*failing, *over, *new, *daily)))


def _is_news(now: Report, before: Report | None) -> bool:
    if before is None or now.is_ok != before.is_ok or not before.is_recent:
        return True
    # A number that grows every minute is not a change of state.
    return now.digest != before.digest and before.is_settled


def describe_worst(problems: Iterable[Problem], most_orgs: int = 5) -> Iterator[str]:
    """Yield one line for each kind of problem that someone should know of, the worst first, with its orgs."""
    orgs: dict[str, set[OrgId]] = defaultdict(set)
    for problem in problems:
        if problem.is_red:
            orgs[problem.kind].update(problem.affected_orgs)
    for kind in CONNECTION_CHECKS:
        if found := sorted(orgs.get(kind, ())):
            more = f" and {len(found) - most_orgs} more" if len(found) > most_orgs else ""
            what = SAID[kind][len(found) > 1]
            yield f"{len(found)} {what}: {', '.join(found[:most_orgs])}{more}"


SAID: Mapping[str, tuple[str, str]] = {
    "connection": ("org must reconnect or is refused an entity", "orgs must reconnect or are refused an entity"),
    "outage": ("org cannot reach its source", "orgs cannot reach their sources"),
    "freshness": ("org is behind", "orgs are behind"),
    "deletions_held": ("org has deletions to approve", "orgs have deletions to approve"),
    "completeness": ("org lacks records that its source counts", "orgs lack records that their sources count"),
    "dead_letters": ("org has records that were set aside", "orgs have records that were set aside"),
    "references": ("org has references that lead nowhere", "orgs have references that lead nowhere"),
}
