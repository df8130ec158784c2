"""All that Dagster gets for one adapter, made from its manifest."""

import dagster as dg

from openfaith_sync.defs.entity_assets import SyncConfig, build_entity_assets
from openfaith_sync.domain.manifest import Manifest


def build_adapter(manifest: Manifest) -> dg.Definitions:
    """Give an adapter's assets and jobs. They need the resources of ``definitions.py``."""
    assets = build_entity_assets(manifest)
    full = {asset.op.name: SyncConfig(mode="full") for asset in assets}
    return dg.Definitions(
        assets=assets,
        jobs=[
            dg.define_asset_job(
                f"{manifest.adapter}_full_sync",
                selection=assets,
                config=dg.RunConfig(ops=full),
                description=f"Reads everything one church has in {manifest.adapter_file.title}, again from the start.",
            )
        ],
    )
