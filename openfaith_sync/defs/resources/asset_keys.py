"""The keys of entities' assets."""

import dagster as dg

from openfaith_sync.domain.ids import AdapterName, EntityName


def asset_key(adapter: AdapterName, entity: EntityName) -> dg.AssetKey:
    """Return the key of an entity's asset."""
    return dg.AssetKey([adapter, entity])
