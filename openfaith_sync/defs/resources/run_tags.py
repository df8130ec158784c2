"""The tags of runs: what they are filtered and limited by."""

import dagster as dg
from dagster._core.storage.tags import EXTERNALLY_MANAGED_ASSETS_TAG

QUIET_TAGS = {EXTERNALLY_MANAGED_ASSETS_TAG: "true"}
"""Tells Dagster that a run writes its asset events itself, so that none is planned for each entity when it starts."""


def is_quiet(run: dg.DagsterRun) -> bool:
    """Return whether a run was requested automatically, and writes only what is news."""
    return QUIET_TAGS.items() <= run.tags.items()
