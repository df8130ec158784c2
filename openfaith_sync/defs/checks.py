"""The check on every entity: are there records that could not be stored?"""

import warnings

import dagster as dg

from openfaith_sync.defs.partitions import org_partitions
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.store.connections import parse_org
from openfaith_sync.store.database import Database
from openfaith_sync.store.reports import run_query

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
    # Every part is a name of our own or checked: an org's name is a slug.
    query = (
        "SELECT field, value_type, reason, count(*) FROM sync.dead_letters "  # noqa: S608
        f"WHERE org_id = '{parse_org(key.org)}' AND adapter = '{key.adapter}' AND entity = '{key.entity}' "
        "AND resolved_at IS NULL GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1"
    )
    rows = run_query(database, query).rows
    if not rows:
        return dg.AssetCheckResult(check_name=DEAD_LETTERS, passed=True)
    reasons = "\n".join(
        f"- {count} × `{field}`: {why} (found {kind})" for field, kind, why, count in rows[:REASONS_SHOWN]
    )
    return dg.AssetCheckResult(
        check_name=DEAD_LETTERS,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{sum(row[3] for row in rows)} dead letters wait; all other records are stored",
        metadata={"reasons": dg.MetadataValue.md(reasons)},
    )
