"""The asset checks on every entity: ``CHECKS`` is the only list of them."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg

from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.error_translation import dagster_failures
from openfaith_sync.defs.resources.partitions import org_partitions
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
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
    """A check on each entity."""

    name: str
    description: str
    find: Callable[[Database, SyncKey], Finding]


def find_dead_letters(database: Database, key: SyncKey) -> Finding:
    """Return the number of dead letters with their most frequent reasons, and none of their values."""
    reasons = load_dead_letter_reasons(database, key)
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


def build_checks(manifest: Manifest) -> dg.AssetChecksDefinition:
    """Return the checks of an adapter's assets, which one op evaluates for whoever asks."""
    specs = [spec for entity in manifest.entities for spec in build_check_specs(manifest.adapter, entity)]

    @dg.multi_asset_check(name=f"{manifest.adapter}_checks", specs=specs, can_subset=True)
    def evaluate(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> Iterator[dg.AssetCheckResult]:
        org = OrgId(context.partition_key)
        with dagster_failures(context.retry_number):
            opened = database.open()
            for check in sorted(context.selected_asset_check_keys, key=lambda check: check.to_user_string()):
                key = SyncKey(org, manifest.adapter, EntityName(check.asset_key.path[-1]))
                for evaluation in run_checks(opened, key):
                    if evaluation.check_name == check.name:
                        yield dg.AssetCheckResult(
                            asset_key=check.asset_key,
                            check_name=check.name,
                            passed=evaluation.passed,
                            severity=evaluation.severity,
                            description=evaluation.description,
                            metadata=evaluation.metadata,
                        )

    return evaluate


def build_check_specs(adapter: AdapterName, entity: EntityName) -> list[dg.AssetCheckSpec]:
    """Return the specs of an asset's checks."""
    with warnings.catch_warnings():
        # Partitioned checks are a preview in Dagster 1.13, which warns about them at every load; without
        # partitions one org's result would hide that of all others. The version is pinned.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=asset_key(adapter, entity),
                description=check.description,
                partitions_def=org_partitions,
            )
            for check in CHECKS
        ]


def run_checks(database: Database, key: SyncKey) -> list[dg.AssetCheckEvaluation]:
    """Return the result of each check of one org's entity; a problem is a warning."""
    return [_evaluate(key, check.name, check.find(database, key)) for check in CHECKS]


def _evaluate(key: SyncKey, name: str, finding: Finding) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(key.adapter, key.entity),
        check_name=name,
        partition=key.org,
        passed=finding.problem is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=finding.problem,
        metadata={"details": dg.MetadataValue.md(finding.details)} if finding.details else {},
    )
