"""What Dagster loads: every adapter that has a manifest, wired to its resources."""

import os

import dagster as dg

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.defs.adapter_definitions import build_adapter
from openfaith_sync.defs.jobs.pruning import build_pruning
from openfaith_sync.defs.resources.database_resource import build_database
from openfaith_sync.defs.resources.frame_io_manager import FRAMES, CanonicalFrameIOManager
from openfaith_sync.defs.sensors.alert_sensor import build_alert_sensor
from openfaith_sync.domain.connections.deployment_settings import LogFormat, Settings
from openfaith_sync.sessions.log_output import configure_logging

settings = Settings.from_environment(os.environ)
if settings.log_format is LogFormat.JSON:
    configure_logging(settings.log_format)
manifests = [read_manifest(settings.manifests, name) for name in list_adapters(settings.manifests)]
database = build_database(settings)

defs = dg.Definitions.merge(
    *(build_adapter(manifest, settings.public_url) for manifest in manifests),
    build_pruning(manifest.adapter for manifest in manifests),
    dg.Definitions(
        resources={"database": database, FRAMES: CanonicalFrameIOManager(database=database)},
        sensors=[build_alert_sensor(settings.alert_urls)],
        executor=dg.in_process_executor,
    ),
)
