"""Ours become Dagster's: the table is complete, and says what a person needs."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest

import openfaith_sync
from openfaith_sync.defs.resources.error_translation import (
    ADVICE,
    BACKOFF,
    LEASE_WAIT_SECONDS,
    as_dagster,
    dagster_failures,
)
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
from openfaith_sync.domain.mapping.parsing import Refused


def all_kinds(kind: type[SyncError] = SyncError) -> Iterator[type[SyncError]]:
    for below in kind.__subclasses__():
        yield below
        yield from all_kinds(below)


def import_everything() -> None:
    for module in pkgutil.walk_packages(openfaith_sync.__path__, "openfaith_sync."):
        if not module.name.rpartition(".")[2].startswith("__") and ".migrations" not in module.name:
            importlib.import_module(module.name)


def test_every_kind_of_error_has_exactly_one_row_in_the_table() -> None:
    import_everything()
    # Of the kinds of definition errors, these have rows of their own, since they are no mistakes of ours.
    rows: list[type[SyncError]] = [TransientError, *ADVICE.keys() - {AccessDenied, MostlyRejected}]
    # A refused value never leaves the mapping of its record.
    for kind in set(all_kinds()) - {Refused}:
        assert sum(issubclass(kind, row) for row in rows) == 1, kind


def test_a_transient_error_waits_as_long_as_the_source_asks() -> None:
    requested = as_dagster(TransientError("busy", retry_after=timedelta(seconds=17)), 0)
    assert isinstance(requested, dg.RetryRequested)
    assert requested.seconds_to_wait == 17
    assert requested.max_retries == BACKOFF.max_retries


def test_waits_grow_when_the_source_does_not_say() -> None:
    waits = []
    for retries in range(4):
        requested = as_dagster(TransientError("away"), retries)
        assert isinstance(requested, dg.RetryRequested)
        waits.append(requested.seconds_to_wait)
    for wait, about in zip(waits, (5, 10, 20, 40), strict=True):
        assert wait is not None
        assert 0 < wait <= 2 * about


def test_a_held_lease_is_asked_for_again_after_a_while() -> None:
    requested = as_dagster(LeaseHeld("at work"), 0)
    assert isinstance(requested, dg.RetryRequested)
    assert requested.seconds_to_wait == LEASE_WAIT_SECONDS


@pytest.mark.parametrize(
    "error",
    [
        ReconnectRequired("the token was revoked"),
        DefinitionError("no such endpoint"),
        SafetyStop("half of all people are gone"),
        RecordRejected("birthdate", "list", "not a date"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_no_retry_heals_fails_at_once_and_says_what_to_do(error: SyncError) -> None:
    failure = as_dagster(error, 0)
    assert isinstance(failure, dg.Failure)
    assert failure.allow_retries is False
    assert failure.description is not None
    assert str(error) in failure.description
    assert "\n" not in failure.description


def test_an_unknown_exception_passes_through_as_it_is() -> None:
    bug = KeyError("surprise")
    with pytest.raises(KeyError) as raised, dagster_failures(0):
        raise bug
    assert raised.value is bug


def test_our_error_stays_visible_as_the_cause() -> None:
    ours = SafetyStop("look first")
    with pytest.raises(dg.Failure) as raised, dagster_failures(0):
        raise ours
    assert raised.value.__cause__ is ours


def test_dagster_tries_a_step_again_after_a_transient_error_and_not_after_others() -> None:
    calls: list[str] = []

    @dg.asset
    def heals(context: dg.AssetExecutionContext) -> None:
        calls.append("heals")
        with dagster_failures(context.retry_number):
            if context.retry_number == 0:
                raise TransientError("away for a moment", retry_after=timedelta())

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=3))
    def stops() -> None:
        calls.append("stops")
        with dagster_failures(0):
            raise SafetyStop("look first")

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([heals, stops], instance=instance, raise_on_error=False)
    assert sorted(calls) == ["heals", "heals", "stops"]
    made = [event.asset_key for event in result.get_asset_materialization_events()]
    assert made == [dg.AssetKey("heals")]
