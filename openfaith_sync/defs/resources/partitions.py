"""The one partitions definition: every asset of every adapter is partitioned by org."""

import dagster as dg

from openfaith_sync.domain.ids import OrgId

ORG_PARTITIONS_NAME = "org"

org_partitions = dg.DynamicPartitionsDefinition(name=ORG_PARTITIONS_NAME)


def register_org(instance: dg.DagsterInstance, org: OrgId) -> None:
    """Make an org a partition that runs can be started for; a known one stays as it is."""
    instance.add_dynamic_partitions(ORG_PARTITIONS_NAME, [org])


def unregister_org(instance: dg.DagsterInstance, org: OrgId) -> None:
    """Take an org's partition away; its materializations stay in the event log."""
    instance.delete_dynamic_partition(ORG_PARTITIONS_NAME, org)
