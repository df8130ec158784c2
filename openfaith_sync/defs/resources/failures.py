"""The one place where our errors become Dagster's, by what is to be done about them.

| ours              | Dagster's                       | then                                      |
|-------------------|---------------------------------|-------------------------------------------|
| TransientError    | RetryRequested                  | the step goes on from its last commit     |
| ReconnectRequired | Failure(allow_retries=False)    | the org authorises again                  |
| AccessDenied      | Failure(allow_retries=False)    | sensors ask again, and people if it lasts |
| MostlyRejected    | Failure(allow_retries=False)    | we change the records or the manifest     |
| DefinitionError   | Failure(allow_retries=False)    | we change manifest, configuration or code |
| SafetyStop        | Failure(allow_retries=False)    | a person looks                            |
| RecordRejected    | Failure(allow_retries=False)    | a bug: it should be a dead letter         |

Every other exception is a bug and passes through as it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from openfaith_sync.domain.errors import (
    AccessDenied,
    DefinitionError,
    LeaseHeld,
    MostlyRejected,
    ReconnectRequired,
    RecordRejected,
    SafetyStop,
    SyncError,
    TransientError,
)

BACKOFF = dg.RetryPolicy(max_retries=5, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""How long a retry waits when the source does not say: 5, 10, 20, 40, 80 s, give or take."""

LEASE_WAIT_SECONDS = 30
"""The other worker is at it now; asking it more often gains nothing."""

REPORT = "report this bug: it should have been caught below"

WHAT_TO_DO: Mapping[type[SyncError], str] = {
    ReconnectRequired: "the org must authorise again; a retry cannot help",
    AccessDenied: "the sensors ask again by themselves, and all other entities go on",
    MostlyRejected: "what could be stored was; correct the records at the source or the manifest, then sync again",
    DefinitionError: "change the manifest, the configuration or the code; a retry cannot help",
    SafetyStop: "a person must look before anything else is done",
    RecordRejected: REPORT,
}
"""What a person does about an error that no retry heals."""


@contextmanager
def dagster_failures(retry_number: int) -> Iterator[None]:
    """Let every ``SyncError`` raised inside leave as what Dagster understands."""
    try:
        yield
    except SyncError as error:
        raise as_dagster(error, retry_number) from error


def as_dagster(error: SyncError, retry_number: int) -> dg.RetryRequested | dg.Failure:
    """Return Dagster's exception for ours; ``retry_number`` counts the retries so far."""
    if isinstance(error, TransientError):
        return dg.RetryRequested(BACKOFF.max_retries, _seconds_to_wait(error, retry_number))
    advice = next((WHAT_TO_DO[kind] for kind in type(error).__mro__ if kind in WHAT_TO_DO), REPORT)
    return dg.Failure(description=f"{error} ({advice})", metadata={"kind": type(error).__name__}, allow_retries=False)


def _seconds_to_wait(error: TransientError, retry_number: int) -> float:
    if error.retry_after is not None:
        return error.retry_after.total_seconds()
    if isinstance(error, LeaseHeld):
        return LEASE_WAIT_SECONDS
    return BACKOFF.calculate_delay(retry_number + 1)
