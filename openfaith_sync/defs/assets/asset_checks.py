"""The asset checks on every entity: ``CHECKS`` is the only list of them."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from openfaith_sync.defs.resources.partitions import org_partitions
from openfaith_sync.domain.passes.passes import PassResult
from openfaith_sync.store.admin.summaries import load_dead_letter_reasons
from openfaith_sync.store.database.database import Database

REASONS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; a check without a problem has passed."""

    problem: str | None = None
    """Shown with the result. Contains no values of records."""
    details: str = ""
    """Markdown with more about the problem."""


@dataclass(frozen=True, slots=True)
class EntityCheck:
    """A check that each entity's sync runs when it has finished, so that the check costs no step."""

    name: str
    description: str
    find: Callable[[Database, PassResult], Finding]


def find_dead_letters(database: Database, result: PassResult) -> Finding:
    """Return the number of dead letters with their most frequent reasons, and none of their values."""
    reasons = load_dead_letter_reasons(database, result.key)
    if not reasons:
        return Finding()
    lines = "\n".join(
        f"- {reason.count} × `{reason.field}`: {reason.reason} (found {reason.value_type})"
        for reason in reasons[:REASONS_SHOWN]
    )
    return Finding(f"{sum(reason.count for reason in reasons)} dead letters; all other records are stored", lines)


CHECKS = (
    EntityCheck(
        "dead_letters",
        "No record of this org is a dead letter: rejected because it could not be mapped.",
        find_dead_letters,
    ),
)
"""Every entity has these checks."""


def build_check_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Return the specs of an asset's checks."""
    with warnings.catch_warnings():
        # Partitioned checks are a preview in Dagster 1.13, which warns about them at every load; without
        # partitions one org's result would hide that of all others. The version is pinned.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(check.name, asset=key, description=check.description, partitions_def=org_partitions)
            for check in CHECKS
        ]


def run_checks(database: Database, result: PassResult) -> list[dg.AssetCheckResult]:
    """Return the result of each check of a finished sync; a problem is a warning."""
    return [_build_result(check.name, check.find(database, result)) for check in CHECKS]


def pass_checks(description: str) -> list[dg.AssetCheckResult]:
    """Return a passed result for each check: Dagster requires one even where nothing was synced."""
    return [dg.AssetCheckResult(check_name=check.name, passed=True, description=description) for check in CHECKS]


def _build_result(name: str, finding: Finding) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=finding.problem is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=finding.problem,
        metadata={"details": dg.MetadataValue.md(finding.details)} if finding.details else None,
    )
