"""Hands a downstream asset an org's entity as a typed pandas DataFrame."""

from typing import Any

import dagster as dg

from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.failures import dagster_failures
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.store.admin.reports import read_frame

FRAMES = "canonical_frames"
"""The resource key under which entity assets ask for it."""


class CanonicalFrameIOManager(dg.ConfigurableIOManager):
    """Loads entity assets: live rows only, one row a record, a column a column.

    Their syncs store by themselves, page by page, so there is nothing to hand over here.
    """

    database: dg.ResourceDependency[DatabaseResource]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Do nothing: what an entity asset stored is stored."""
        if obj is not None:
            name = context.asset_key.to_user_string()
            raise dg.DagsterInvariantViolationError(f"{name} returned a value, but this I/O manager only loads")

    def load_input(self, context: dg.InputContext) -> Any:
        """Return the live rows of the entity, for the org of the run's partition."""
        adapter, entity = context.asset_key.path
        with dagster_failures(0):
            return read_frame(
                self.database.open(), OrgId(context.partition_key), AdapterName(adapter), EntityName(entity)
            )
