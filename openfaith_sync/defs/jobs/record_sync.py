"""Read the records that an org's inbox names, and mark their events as processed."""

import dagster as dg

from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.error_translation import dagster_failures
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.store.connections.connections import load_connection

MAX_SECONDS = 60.0
"""After this a new run continues, so that one org's flood of events leaves room for other orgs."""


def sync_records(context: dg.OpExecutionContext, manifest: Manifest, resource: DatabaseResource) -> None:
    """Process the events that are due in the inbox of the run's org."""
    org = OrgId(context.partition_key)
    with dagster_failures(context.retry_number):
        database = resource.open()
        connection = load_connection(database, org, manifest.adapter)
        connection.require_usable()
        with open_session(
            database, manifest, connection, lane=Lane.WEBHOOK, trigger="webhook", run_id=context.run.run_id
        ) as session:
            result = run_records(session, most_seconds=MAX_SECONDS)
    context.add_output_metadata(
        {
            "events": result.events,
            "records": result.records,
            "waiting": result.waiting,
            "requests": result.requests,
            "changed": sum(counts.created + counts.updated + counts.tombstoned for counts in result.counts.values()),
        }
    )
