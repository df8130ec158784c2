"""The asset check on every entity: whether any records could not be stored."""

import warnings

import dagster as dg

from openfaith_sync.defs.resources.partitions import org_partitions
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.store.admin.summaries import load_dead_letter_reasons
from openfaith_sync.store.database.database import Database

DEAD_LETTERS = "dead_letters"
REASONS_SHOWN = 5


def dead_letters_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the spec of the check; the sync itself yields the result, so the check costs no step."""
    with warnings.catch_warnings():
        # Partitioned checks are a preview in Dagster 1.13, which warns about them at every load; without
        # partitions one org's result would hide that of all others. The version is pinned.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            DEAD_LETTERS,
            asset=key,
            description="No record of this org is a dead letter: rejected because it could not be mapped.",
            partitions_def=org_partitions,
        )


def check_dead_letters(database: Database, key: SyncKey) -> dg.AssetCheckResult:
    """Warn if there are dead letters, with their most frequent reasons and none of their values."""
    reasons = load_dead_letter_reasons(database, key)
    if not reasons:
        return dg.AssetCheckResult(check_name=DEAD_LETTERS, passed=True)
    lines = "\n".join(
        f"- {reason.count} × `{reason.field}`: {reason.reason} (found {reason.value_type})"
        for reason in reasons[:REASONS_SHOWN]
    )
    return dg.AssetCheckResult(
        check_name=DEAD_LETTERS,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{sum(reason.count for reason in reasons)} dead letters; all other records are stored",
        metadata={"reasons": dg.MetadataValue.md(lines)},
    )
