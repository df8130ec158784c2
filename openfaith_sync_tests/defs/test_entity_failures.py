"""Which entities of a run failed, and why, is shown by entity."""

import logging
from datetime import timedelta

import dagster as dg
import pytest

from openfaith_sync.defs.assets.entity_failures import FailedEntities
from openfaith_sync.defs.assets.retries import Retries
from openfaith_sync.defs.resources.error_translation import BACKOFF, RETRIED
from openfaith_sync.domain.errors import DefinitionError, SourceFailed, TransientError
from openfaith_sync.domain.ids import AdapterName, EntityName
from openfaith_sync.engine.org_sync import EntityOutcome

PCO = AdapterName("pco")
PERSON, EMAIL, GROUP, EVENT = map(EntityName, ("person", "email", "group", "event"))
LOG = logging.getLogger("test")


def test_each_entity_is_named_with_its_reason_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    failed = FailedEntities(LOG, PCO, 10)
    assert not failed
    failed.add(EntityOutcome(PERSON, error=DefinitionError("no such path")))
    failed.add(EntityOutcome(EMAIL, skipped_because=PERSON))
    failed.add(EntityOutcome(GROUP, error=SourceFailed("answered 500")))
    assert failed
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    assert caplog.messages[0].startswith("pco/person: no such path (fix the manifest")
    failure = failed.summarize()
    assert failure.allow_retries is False
    assert str(failure.description).splitlines() == [
        "3 of 10 entities failed; all others are synced",
        "pco/person: no such path (fix the manifest, the configuration or the code; a retry cannot help)",
        "pco/email: skipped, because pco/person failed",
        f"pco/group: answered 500 ({RETRIED})",
    ]
    assert failure.metadata["failed_entities"] == dg.MetadataValue.int(3)
    assert failure.metadata["pco/email"] == dg.MetadataValue.text("skipped, because pco/person failed")


def test_what_fails_all_alike_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    failed = FailedEntities(LOG, PCO, 2)
    for entity in (PERSON, GROUP):
        failed.add(EntityOutcome(entity, error=SourceFailed("away")))
    assert len(caplog.messages) == 1
    assert str(failed.summarize().description).splitlines() == [
        "2 of 2 entities failed",
        f"pco/person, pco/group: away ({RETRIED})",
    ]


def test_a_run_of_one_entity_fails_in_one_line() -> None:
    failed = FailedEntities(LOG, PCO, 1)
    failed.add(EntityOutcome(EVENT, error=SourceFailed("away")))
    assert failed.summarize().description == f"pco/event: away ({RETRIED})"


def test_retries_wait_as_long_as_the_slowest_source_asks_and_end(caplog: pytest.LogCaptureFixture) -> None:
    waits: list[float] = []
    retries = Retries(LOG, PCO, waits.append)
    outcomes = [
        EntityOutcome(PERSON, error=TransientError("busy", retry_after=timedelta(seconds=17))),
        EntityOutcome(EMAIL, skipped_because=PERSON),
        EntityOutcome(GROUP, error=TransientError("busy", retry_after=timedelta(seconds=3))),
    ]
    for _ in range(BACKOFF.max_retries):
        assert retries(outcomes)
    assert not retries(outcomes)
    assert waits == [17] * BACKOFF.max_retries
    assert caplog.messages[0] == f"pco/person, pco/group: busy; retry 1 of {BACKOFF.max_retries} in 17 s"
