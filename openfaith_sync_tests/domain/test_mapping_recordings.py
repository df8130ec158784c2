"""Recorded answers of the real API, also of older versions; they lie outside the project."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.adapters.dialects.json_api.resource_objects import read_resource
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.mapping.mapping import map_batch
from openfaith_sync_tests.domain.church import ENTITIES, entity, mapper

FOLDER = os.environ.get("OPENFAITH_RECORDINGS")
needs_recordings = pytest.mark.skipif(not FOLDER, reason="OPENFAITH_RECORDINGS names no folder of recorded answers")

# No event and no membership was recorded.
RECORDED = sorted({*ENTITIES} - {"event", "group_membership", "household_membership"})


def recorded(name: str) -> list[dict[str, Any]]:
    return [found for path in sorted(Path(FOLDER or "").glob("*/*.json")) for found in resources(path, name)]


def resources(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the resource objects of one entity, listed, got or included."""
    recording = json.loads(path.read_text(encoding="utf-8"))
    body = recording["response"].get("body")
    if not isinstance(body, dict) or entity(name).path not in (recording["request"]["url"] or ""):
        return
    data = body.get("data") or []
    for found in [*(data if isinstance(data, list) else [data]), *(body.get("included") or [])]:
        if isinstance(found, dict) and found.get("type") == entity(name).resource and "attributes" in found:
            yield found


@needs_recordings
@pytest.mark.parametrize("name", ENTITIES)
def test_every_recorded_record_is_mapped_or_set_aside_with_a_reason(name: str) -> None:
    found = recorded(name)
    batch = map_batch(mapper(name), EntityName(name), map(read_resource, found))
    assert len(batch) == len(found)
    assert all(rejection.field and rejection.reason for rejection in batch.rejected)


@needs_recordings
@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_record_that_is_whole_is_mapped(name: str) -> None:
    whole = [found for found in recorded(name) if found["attributes"].get("updated_at") or name == "group"]
    batch = map_batch(mapper(name), EntityName(name), map(read_resource, whole))
    assert batch.records
    assert not batch.rejected
