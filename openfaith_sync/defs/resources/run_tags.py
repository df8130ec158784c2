"""The tags of runs: what they are filtered and limited by."""

import dagster as dg
from dagster._core.storage.tags import EXTERNALLY_MANAGED_ASSETS_TAG

from openfaith_sync.domain.ids import OrgId

BULK_TAG = "openfaith/bulk"
RECORDS_TAG = "openfaith/records"
"""Their values are the org; ``dagster.yaml`` runs one run of each kind per org at a time."""

ORG_TAG, ADAPTER_TAG, MODE_TAG = "openfaith/org", "openfaith/adapter", "openfaith/mode"
TRIGGER_TAG = "openfaith/trigger"
"""Who started the run: ``schedule``, ``change``, ``webhook``, ``person`` or ``backfill``."""

QUIET_TAGS = {EXTERNALLY_MANAGED_ASSETS_TAG: "true"}
"""Tells Dagster that a run writes its asset events itself, so that none is planned for each entity when it starts."""


def bulk_tags(org: OrgId, adapter: str, mode: str = "") -> dict[str, str]:
    """Return the tags of a run over an org's entities."""
    tags = {BULK_TAG: org, ORG_TAG: org, ADAPTER_TAG: adapter}
    return {**tags, MODE_TAG: mode} if mode else tags


def record_tags(org: OrgId, adapter: str) -> dict[str, str]:
    """Return the tags of a run over the records that webhook events name."""
    return {RECORDS_TAG: org, ORG_TAG: org, ADAPTER_TAG: adapter, MODE_TAG: "record", TRIGGER_TAG: "webhook"}


def is_quiet(run: dg.DagsterRun) -> bool:
    """Return whether a run was requested automatically, and writes only what is news."""
    return QUIET_TAGS.items() <= run.tags.items()
