"""Translate our errors into Dagster's, by what must be done about them.

| ours              | Dagster's                       | then                                         |
|-------------------|---------------------------------|----------------------------------------------|
| TransientError    | RetryRequested                  | the step resumes after its last commit       |
| ReconnectRequired | Failure(allow_retries=False)    | the org must reconnect                       |
| AccessDenied      | Failure(allow_retries=False)    | sensors retry, people act if it persists     |
| MostlyRejected    | Failure(allow_retries=False)    | we correct the records or the manifest       |
| DefinitionError   | Failure(allow_retries=False)    | we fix the manifest, configuration or code   |
| SafetyStop        | Failure(allow_retries=False)    | a person must decide                         |
| RecordRejected    | Failure(allow_retries=False)    | a bug: it should have become a dead letter   |
| UnexpectedFailure | Failure(allow_retries=False)    | a bug: nobody foresaw it                     |

Every other exception is a bug and is not translated.

The op of an adapter syncs many entities. There, ``retries.py`` retries those that failed temporarily within the
step, and ``entity_failures.py`` collects the others in one failure.
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
    UnexpectedFailure,
)

BACKOFF = dg.RetryPolicy(max_retries=5, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""The waits before retries if the source does not state one: 5, 10, 20, 40, 80 s, with jitter."""

LEASE_WAIT_SECONDS = 30
"""Another worker holds the lease; checking more often gains nothing."""

REPORT = "report this bug: it should have been handled earlier"

ADVICE: Mapping[type[SyncError], str] = {
    ReconnectRequired: "the org must reconnect; a retry cannot help",
    AccessDenied: "the sensors retry automatically, and all other entities continue",
    MostlyRejected: "the other records were stored; correct the records at the source or the manifest, then sync again",
    DefinitionError: "fix the manifest, the configuration or the code; a retry cannot help",
    SafetyStop: "a person must decide before it continues",
    RecordRejected: REPORT,
    UnexpectedFailure: REPORT,
}
"""What a person must do about an error that a retry cannot fix."""
RETRIED = "retries did not help so far; the sensors retry it automatically"


@contextmanager
def dagster_failures(retry_number: int) -> Iterator[None]:
    """Translate any ``SyncError`` raised inside into the exception that Dagster handles."""
    try:
        yield
    except SyncError as error:
        raise as_dagster(error, retry_number) from error


def as_dagster(error: SyncError, retry_number: int) -> dg.RetryRequested | dg.Failure:
    """Return Dagster's exception for ours; ``retry_number`` is the number of retries so far."""
    if isinstance(error, TransientError):
        return dg.RetryRequested(BACKOFF.max_retries, seconds_to_wait(error, retry_number))
    description = f"{error} ({advise(error)})"
    return dg.Failure(description=description, metadata={"kind": type(error).__name__}, allow_retries=False)


def advise(error: SyncError) -> str:
    """Return what a person must do about an error, or what happens automatically."""
    if isinstance(error, TransientError):
        return RETRIED
    return next((ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE), REPORT)


def seconds_to_wait(error: TransientError, retry_number: int) -> float:
    """Return how long to wait before the next attempt: as long as the source asks, or ever longer."""
    if error.retry_after is not None:
        return error.retry_after.total_seconds()
    if isinstance(error, LeaseHeld):
        return LEASE_WAIT_SECONDS
    return BACKOFF.calculate_delay(retry_number + 1)
