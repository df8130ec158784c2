"""Which problems are one alert: those of one kind and adapter, however many orgs and entities they affect."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity, sort_key

STANDSTILL = frozenset({ProblemKind.CONNECTION, ProblemKind.OUTAGE, ProblemKind.FRESHNESS})
"""Kinds of problems in which nothing new comes."""

AlertKey = tuple[AdapterName, ProblemKind]


class AlertSeverity(StrEnum):
    """How much an alert matters."""

    CRITICAL = "critical"
    """Nothing new comes for an org until a person acts, or for any org of the adapter."""
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class PresentCause:
    """What is wrong now for one cause, before it is compared with the alerts that are open."""

    severity: AlertSeverity
    is_general: bool
    """Whether it affects every org of the adapter."""
    detail: str
    command: str
    orgs: Mapping[OrgId, Problem]
    """The worst problem of each affected org; none for a general cause, which affects all."""


def find_causes(problems: Iterable[Problem]) -> dict[AlertKey, PresentCause]:
    """Return the causes of the problems that people are told of."""
    grouped: dict[AlertKey, list[Problem]] = {}
    for problem in sorted(problems, key=sort_key):
        if problem.is_told:
            grouped.setdefault((problem.adapter, problem.kind), []).append(problem)
    return {key: _cause(found) for key, found in grouped.items()}


def _cause(problems: list[Problem]) -> PresentCause:
    first = problems[0]
    orgs: dict[OrgId, Problem] = {}
    is_general = any(map(_is_general, problems))
    for problem in problems:
        for org in () if is_general else problem.affected_orgs:
            orgs.setdefault(org, problem)
    is_critical = first.kind in STANDSTILL and (is_general or any(map(_needs_person, problems)))
    return PresentCause(
        severity=AlertSeverity.CRITICAL if is_critical else AlertSeverity.WARNING,
        is_general=is_general,
        detail=first.detail if first.org is None else f"{first.org}: {first.detail}",
        command=first.command,
        orgs=orgs,
    )


def _is_general(problem: Problem) -> bool:
    """Return whether it is of the whole adapter; one entity that is refused to many is not."""
    return problem.org is None and not problem.entities


def _needs_person(problem: Problem) -> bool:
    return problem.severity is Severity.NEEDS_PERSON
