"""The check on every entity: are there records that could not be stored?"""

import warnings

import dagster as dg

from openfaith_sync.defs.resources.partitions import org_partitions
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.store.admin.summaries import load_dead_letter_reasons
from openfaith_sync.store.database.database import Database

DEAD_LETTERS = "dead_letters"
REASONS_SHOWN = 5


def dead_letters_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Say what is checked; the sync itself answers, so it costs no step of its own."""
    with warnings.catch_warnings():
        # Partitioned checks are new in Dagster 1.13, which says so at every load; without
        # them one org's answer would hide that of all others. The version is pinned.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            DEAD_LETTERS,
            asset=key,
            description="No record of this church waits as a dead letter, set aside because it could not be mapped.",
            partitions_def=org_partitions,
        )


def check_dead_letters(database: Database, key: SyncKey) -> dg.AssetCheckResult:
    """Warn when dead letters wait, with their most frequent reasons and no value of theirs."""
    reasons = load_dead_letter_reasons(database, key)
    if not reasons:
        return dg.AssetCheckResult(check_name=DEAD_LETTERS, passed=True)
    shown = "\n".join(
        f"- {why.count} × `{why.field}`: {why.reason} (found {why.value_type})" for why in reasons[:REASONS_SHOWN]
    )
    return dg.AssetCheckResult(
        check_name=DEAD_LETTERS,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{sum(why.count for why in reasons)} dead letters wait; all other records are stored",
        metadata={"reasons": dg.MetadataValue.md(shown)},
    )
