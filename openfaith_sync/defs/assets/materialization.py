"""The metadata of a finished sync's materialization."""

from typing import Any

import dagster as dg

from openfaith_sync.domain.passes.passes import PassResult


def materialization_metadata(result: PassResult, preview: dg.MetadataValue) -> dict[str, Any]:
    """Return the counts of a pass, and a preview of the stored rows."""
    counts = result.counts
    metadata: dict[str, Any] = {
        "mode": result.mode.value,
        "resumed": result.resumed,
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "tombstoned": counts.tombstoned,
        "dead_letters": counts.dead,
        "pages": result.pages,
        "requests": result.requests,
        "seconds": round(result.duration.total_seconds(), 3),
        "stored_count": result.stored_count,
        "dagster/partition_row_count": result.stored_count,
        "preview": preview,
    }
    if result.report:
        metadata["report"] = dg.MetadataValue.json(dict(result.report))
    if result.source_count is not None:
        metadata["source_count"] = result.source_count
    if result.watermark is not None:
        metadata["watermark"] = dg.MetadataValue.timestamp(result.watermark)
    return metadata
