"""Build the evaluation of a check: what is wrong, the number to plot, and the command that helps."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from openfaith_sync.defs.checks.check_names import ALL_IS_WELL, CONNECTION
from openfaith_sync.defs.checks.check_states import report_of
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.domain.ids import AdapterName
from openfaith_sync.domain.problems.problem import Problem, ProblemKind
from openfaith_sync.domain.schedule.due_work import ALL
from openfaith_sync.store.admin.dagster_reports import ReportKey
from openfaith_sync.store.admin.org_figures import OrgFigures

LINES_SHOWN = 20


def build_evaluation(
    adapter: AdapterName,
    key: ReportKey,
    problems: Sequence[Problem],
    figures: OrgFigures,
    dead_letter_ids: Sequence[str] = (),
) -> dg.AssetCheckEvaluation:
    """Return the evaluation of one check on one org's partition."""
    kind, is_ok = ProblemKind(key.name), report_of(problems).is_ok
    metadata = {"count": dg.MetadataValue.int(_count(problems)), **_figures(kind, figures)}
    if problems:
        metadata |= {
            "since": dg.MetadataValue.timestamp(min(problem.since for problem in problems)),
            # Plain text: Dagster hides Markdown behind a click.
            "what to do": dg.MetadataValue.text(_commands(problems)),
        }
        for problem in problems:
            # One number an entity, to be plotted apart.
            if problem.count is not None and problem.entity is not None and key.entity == ALL:
                metadata[str(problem.entity)] = dg.MetadataValue.int(problem.count)
    if dead_letter_ids:
        metadata["newest ids"] = dg.MetadataValue.text(", ".join(dead_letter_ids))
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(adapter, CONNECTION if key.entity == ALL else key.entity),
        check_name=kind.value,
        partition=key.org,
        passed=is_ok,
        severity=dg.AssetCheckSeverity.WARN if _is_warning(problems) else dg.AssetCheckSeverity.ERROR,
        description=_describe(kind, problems),
        metadata=metadata,
    )


def _is_warning(problems: Sequence[Problem]) -> bool:
    return any(problem.is_warned_of for problem in problems) and not any(problem.is_red for problem in problems)


def _count(problems: Sequence[Problem]) -> int:
    """Return how many records are affected; where no records are, how many problems there are."""
    return sum(1 if problem.count is None else problem.count for problem in problems)


def _describe(kind: ProblemKind, problems: Sequence[Problem]) -> str:
    lines = [problem.detail for problem in problems[:LINES_SHOWN]]
    more = [f"{len(problems) - LINES_SHOWN} more"] if len(problems) > LINES_SHOWN else []
    return "\n".join((*lines, *more)) or ALL_IS_WELL[kind]


def _commands(problems: Sequence[Problem]) -> str:
    commands = dict.fromkeys(problem.command for problem in problems)
    return "\n".join(list(commands)[:LINES_SHOWN])


def _figures(kind: ProblemKind, figures: OrgFigures) -> dict[str, Any]:
    match kind:
        case ProblemKind.FRESHNESS if figures.last_asked_at is not None:
            return {
                "last asked": dg.MetadataValue.timestamp(figures.last_asked_at),
                "minutes since every entity was asked": dg.MetadataValue.int((figures.seconds_since_asked or 0) // 60),
            }
        case ProblemKind.COMPLETENESS:
            return {
                "source_count": dg.MetadataValue.int(figures.source_count),
                "stored_count": dg.MetadataValue.int(figures.stored_count),
                "set_aside_count": dg.MetadataValue.int(figures.set_aside_count),
            }
        case _:
            return {}
