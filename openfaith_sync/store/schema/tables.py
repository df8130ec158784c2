"""All tables as SQLAlchemy metadata, compared with the migrations; never on the page path."""

from openfaith_sync.store.schema.canonical_tables import add_canonical_tables
from openfaith_sync.store.schema.columns import CANONICAL_SCHEMA, SYNC_SCHEMA, metadata
from openfaith_sync.store.schema.connection_tables import add_connection_tables
from openfaith_sync.store.schema.deletion_tables import add_deletion_tables
from openfaith_sync.store.schema.inbox_tables import add_inbox_tables
from openfaith_sync.store.schema.manifest_tables import add_manifest_tables
from openfaith_sync.store.schema.outage_tables import add_outage_tables
from openfaith_sync.store.schema.pass_tables import add_pass_tables
from openfaith_sync.store.schema.schedule_tables import add_schedule_tables

__all__ = ["CANONICAL_SCHEMA", "SYNC_SCHEMA", "metadata"]

add_canonical_tables()
add_pass_tables()
add_deletion_tables()
add_inbox_tables()
add_schedule_tables()
add_connection_tables()
add_outage_tables()
add_manifest_tables()
