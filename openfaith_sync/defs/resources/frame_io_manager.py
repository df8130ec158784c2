"""Load an org's entity for a downstream asset as a typed pandas DataFrame."""

from typing import Any

import dagster as dg

from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.error_translation import dagster_failures
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.store.admin.reports import read_frame

FRAMES = "canonical_frames"
"""The resource key of this I/O manager on entity assets."""


class CanonicalFrameIOManager(dg.ConfigurableIOManager):
    """Loads entity assets: live rows only, one row per record, one column per column.

    An input with the metadata ``fields: True`` has a column for each custom field too; only people have them.

    Syncs store their records themselves, page by page, so this manager stores nothing.
    """

    database: dg.ResourceDependency[DatabaseResource]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Do nothing: the entity asset has already stored its records."""
        if obj is not None:
            name = context.asset_key.to_user_string()
            raise dg.DagsterInvariantViolationError(f"{name} returned a value, but this I/O manager only loads")

    def load_input(self, context: dg.InputContext) -> Any:
        """Return the live rows of the entity, for the org of the run's partition."""
        adapter, entity = context.asset_key.path
        org, fields = OrgId(context.partition_key), bool((context.definition_metadata or {}).get("fields"))
        with dagster_failures(0):
            return read_frame(self.database.open(), org, AdapterName(adapter), EntityName(entity), fields=fields)
