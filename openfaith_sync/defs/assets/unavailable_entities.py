"""Report an entity that a connection could never read: as an observation, without a materialization.

Its step succeeds without an output, so Dagster skips the entities that hard-depend on it, and the
run succeeds if everything else does.
"""

from dataclasses import dataclass

import dagster as dg

from openfaith_sync.defs.assets.asset_checks import pass_checks
from openfaith_sync.domain.connections.refusals import Refusal

NOT_AVAILABLE = "not available"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """What a step yields instead of a materialization."""

    checks: list[dg.AssetCheckResult]


def report_unavailable(context: dg.AssetExecutionContext, refusal: Refusal) -> Unavailable:
    """Record an observation on the org's partition that the entity is not available, with the reason."""
    metadata: dict[str, dg.MetadataValue] = {
        "status": dg.MetadataValue.text(NOT_AVAILABLE),
        "reason": dg.MetadataValue.text(str(refusal)),
    }
    if refusal.ask_again_at is not None:
        metadata["asked_again_at"] = dg.MetadataValue.timestamp(refusal.ask_again_at)
    context.log_event(
        dg.AssetObservation(
            asset_key=context.asset_key,
            partition=context.partition_key,
            description=f"{NOT_AVAILABLE}: {refusal}",
            metadata=metadata,
        )
    )
    context.log.info("%s: %s", NOT_AVAILABLE, refusal)
    return Unavailable(pass_checks(NOT_AVAILABLE))
