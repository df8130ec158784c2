"""The partitions definition: every asset of every adapter is partitioned by org."""

import dagster as dg

from openfaith_sync.domain.ids import OrgId

ORG_PARTITIONS_NAME = "org"

org_partitions = dg.DynamicPartitionsDefinition(name=ORG_PARTITIONS_NAME)


def register_org(instance: dg.DagsterInstance, org: OrgId) -> None:
    """Add the org's partition, if it does not exist."""
    instance.add_dynamic_partitions(ORG_PARTITIONS_NAME, [org])


def unregister_org(instance: dg.DagsterInstance, org: OrgId) -> None:
    """Remove the org's partition; its materializations remain in the event log."""
    instance.delete_dynamic_partition(ORG_PARTITIONS_NAME, org)
