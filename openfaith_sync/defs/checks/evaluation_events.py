"""Write evaluations of checks without a run, and delete old ones.

Dagster 1.13 stores one evaluation without a run per check and partition: its table is unique by check, partition and
run, and all events without a run have the same, empty run id, so that a second one fails. Each evaluation therefore
has an id of its own in the place of a run's.
"""

from datetime import datetime
from uuid import uuid4

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.instance.utils import RUNLESS_JOB_NAME
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

RUN_PREFIX = "problems-"


def store_evaluation(instance: dg.DagsterInstance, evaluation: dg.AssetCheckEvaluation) -> None:
    """Store the evaluation of a check in Dagster's event log, without a run."""
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_CHECK_EVALUATION.value,
        event_specific_data=evaluation,
        job_name=RUNLESS_JOB_NAME,
    )
    instance.report_dagster_event(event, run_id=f"{RUN_PREFIX}{uuid4()}")


def prune_evaluations(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the evaluations that were stored without a run before this moment, and return how many."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    stored, shown = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    moment = before.replace(tzinfo=None)
    with storage.index_connection() as connection:
        connection.execute(
            SqlEventLogStorageTable.delete().where(stored.run_id.startswith(RUN_PREFIX), stored.timestamp < moment)
        )
        return int(
            connection.execute(
                AssetCheckExecutionsTable.delete().where(
                    shown.run_id.startswith(RUN_PREFIX), shown.evaluation_event_timestamp < moment
                )
            ).rowcount
        )
