"""Build the Dagster definitions of one adapter from its manifest."""

import dagster as dg

from openfaith_sync.defs.assets.entity_assets import build_entity_assets
from openfaith_sync.defs.checks.org_checks import build_connection_asset, build_connection_checks
from openfaith_sync.defs.jobs.jobs import build_bulk_jobs, build_record_job
from openfaith_sync.defs.sensors.bulk_sensors import (
    build_connections_sensor,
    build_reconciliation_sensor,
)
from openfaith_sync.defs.sensors.delta_sensor import build_delta_sensor
from openfaith_sync.defs.sensors.problem_sensor import build_problem_sensor
from openfaith_sync.defs.sensors.webhook_sensor import LISTEN_SECONDS, build_webhook_sensor
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.schedule.work import Plan


def build_adapter(
    manifest: Manifest, public_url: str | None = None, listen_seconds: float = LISTEN_SECONDS
) -> dg.Definitions:
    """Return an adapter's assets, jobs and sensors. They require the resources of ``definitions.py``."""
    assets = build_entity_assets(manifest)
    jobs, records = build_bulk_jobs(manifest, assets), build_record_job(manifest)
    plan = Plan.of(manifest, manifest.graph.entities)
    return dg.Definitions(
        assets=[build_connection_asset(manifest), assets],
        asset_checks=[build_connection_checks(manifest)],
        jobs=[*jobs.values(), records],
        sensors=[
            build_connections_sensor(manifest, plan, jobs["full"], public_url),
            build_delta_sensor(manifest, plan, jobs["auto"]),
            build_reconciliation_sensor(manifest, plan, jobs["reconciliation"]),
            build_webhook_sensor(manifest, plan, records.name, listen_seconds),
            build_problem_sensor(manifest),
        ],
    )
