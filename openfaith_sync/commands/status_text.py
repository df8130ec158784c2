"""What ``status`` says of orgs and problems, as lines for people and as rows for programs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from openfaith_sync.domain.problems.org_status import OrgState, OrgStatus
from openfaith_sync.domain.problems.problem import Problem

_UNITS = ((timedelta(days=2), timedelta(days=1), "days"), (timedelta(minutes=90), timedelta(hours=1), "h"))
_SHORT = timedelta(minutes=1)
_GAP = "  "
_CALM = frozenset({OrgState.UP_TO_DATE, OrgState.SYNCING, OrgState.WAITING, OrgState.PAUSED})


def org_lines(statuses: Sequence[OrgStatus], now: datetime) -> Iterator[str]:
    """Yield a header and one line for each org; the adapter is named where there are several.

    A table of 5,000 rows that measures its cells, as ``print_rows`` makes, takes seconds.
    """
    has_several = len({status.facts.adapter for status in statuses}) > 1
    header = ("org", *(("adapter",) if has_several else ()), "asked", "changed", "next", "state")
    rows = [header]
    for status in statuses:
        facts = status.facts
        adapter = (facts.adapter,) if has_several else ()
        times = (_ago(facts.asked_at, now), _ago(facts.changed_at, now), _next(status, now))
        rows.append((facts.org, *adapter, *times, _state(status, now)))
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        yield _GAP.join((*padded, row[-1])).rstrip()


def summary_line(statuses: Sequence[OrgStatus]) -> str:
    """Return how many orgs are in which state, worst first."""
    counts = Counter(status.state for status in statuses)
    said = ", ".join(f"{counts[state]:,} {state}" for state in OrgState if counts[state])
    hint = "" if set(counts) <= _CALM else "; see openfaith-sync status --problems"
    return f"{len(statuses):,} {'org' if len(statuses) == 1 else 'orgs'}: {said}{hint}"


def org_row(status: OrgStatus) -> dict[str, Any]:
    """Return an org's status as a JSON object; times are absolute."""
    facts, under_way = status.facts, status.under_way
    return {
        "org": facts.org,
        "adapter": facts.adapter,
        "state": status.state.value,
        "since": None if status.state is OrgState.UP_TO_DATE else status.since,
        "what": status.what or None,
        "asked_at": facts.asked_at,
        "changed_at": facts.changed_at,
        "next": facts.next and facts.next.mode.value,
        "next_at": facts.next and facts.next.at,
        "is_requested": facts.next is not None and facts.next.is_requested,
        "entity": under_way and under_way.entity,
        "records": under_way and under_way.records,
        "total": under_way and under_way.total,
        "finish_at": status.finish_at,
        "first_sync": facts.first_sync
        and {
            "complete": facts.first_sync.done,
            "entities": facts.first_sync.entities,
            "requests_left": facts.first_sync.requests,
            "entities_of_unknown_size": facts.first_sync.unknown,
        },
        "problems": [problem.kind.value for problem in status.problems if problem.is_red],
    }


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield two lines for each problem: what is wrong, and the command that helps."""
    for problem in problems:
        yield f"{_whose(problem)} {problem.kind.value} since {problem.since:%Y-%m-%d %H:%M} UTC: {problem.detail}"
        yield f"    {problem.severity.value}; {problem.command}"


def problem_row(problem: Problem) -> dict[str, Any]:
    """Return a problem as a JSON object."""
    return {
        "kind": problem.kind.value,
        "severity": problem.severity.value,
        "is_red": problem.is_red,
        "adapter": problem.adapter,
        "org": problem.org,
        "orgs": sorted(problem.affected_orgs),
        "entities": list(problem.entities),
        "since": problem.since,
        "detail": problem.detail,
        "count": problem.count,
        "command": problem.command,
    }


def _whose(problem: Problem) -> str:
    if problem.org is not None:
        return f"{problem.org} {problem.adapter}"
    count = len(problem.orgs)
    return f"{problem.adapter} ({count:,} {'org' if count == 1 else 'orgs'})"


def _state(status: OrgStatus, now: datetime) -> str:
    said = status.state.value
    if status.state in {OrgState.UNREACHABLE, OrgState.BEHIND, OrgState.PAUSED}:
        said = f"{said} since {status.since:%Y-%m-%d %H:%M} UTC"
    if status.what:
        said = f"{said}: {status.what}"
    if status.state is OrgState.SYNCING and status.finish_at is not None:
        first = status.facts.first_sync
        about = "at least" if first is not None and first.unknown else "about"
        said = f"{said}, done in {about} {_span(status.finish_at - now)}"
    return said


def _next(status: OrgStatus, now: datetime) -> str:
    following = status.facts.next
    if following is None:
        return "-"
    if following.is_requested:
        return f"{following.mode} requested"
    return f"{following.mode} {'now' if following.at <= now else f'in {_span(following.at - now)}'}"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    return "now" if now - moment < _SHORT else f"{_span(now - moment)} ago"


def _span(span: timedelta) -> str:
    for least, unit, name in _UNITS:
        if span >= least:
            return f"{span // unit} {name}"
    return f"{max(span, _SHORT) // _SHORT} min"
