"""Schema drift: unknown, missing and changed attributes are noticed, and never by a value of their own."""

import json
from typing import Any

import pytest

from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.drift import Drift, DriftKind, DriftLog
from openfaith_sync.domain.mapping.mapping import build_mapper, map_batch
from openfaith_sync.domain.records.record import MappedBatch, RawRecord

CAMPUS = EntityName("campus")


@pytest.fixture
def campus(pco_manifest: Manifest) -> Entity:
    return pco_manifest.entities[CAMPUS]


def map_some(entity: Entity, log: DriftLog, *changes: dict[str, Any], without: str = "") -> MappedBatch:
    """Map campuses with every attribute of the manifest, each changed in its own way."""
    mapper = build_mapper(entity, OrgId("grace"), AdapterName("pco"), drift=log.of(entity))
    usual = {name: None for name, part in entity.attributes.items() if not part.sparse and name != without}
    raws = [RawRecord(ExternalId(str(n)), {**usual, **change}, {}, {}) for n, change in enumerate(changes)]
    return map_batch(mapper, CAMPUS, raws)


def found(log: DriftLog) -> tuple[Drift, ...]:
    return log.found(every_attribute_is_sent=True)


def test_records_as_the_manifest_says_are_no_drift(campus: Entity) -> None:
    log = DriftLog()
    map_some(campus, log, {"name": "North"}, {"name": "South", "latitude": "1.5"})
    assert found(log) == ()


def test_an_attribute_that_appears_is_kept_and_named_with_its_type(campus: Entity) -> None:
    log = DriftLog()
    batch = map_some(campus, log, {"parking": None}, {"parking": 12}, {"opened_on": "2020-01-02"})
    assert json.loads(batch.records[1].custom_fields)["pco_parking"] == 12
    assert found(log) == (
        Drift(CAMPUS, DriftKind.APPEARED, "opened_on", "date"),
        Drift(CAMPUS, DriftKind.APPEARED, "parking", "integer"),
    )


def test_a_frozen_entity_leaves_it_out_and_a_strict_one_sets_the_record_aside(campus: Entity) -> None:
    frozen, strict = (campus.model_copy(update={"drift": policy}) for policy in ("freeze", "reject"))
    log = DriftLog()
    (record,) = map_some(frozen, log, {"parking": 12}).records
    assert b"parking" not in record.custom_fields
    batch = map_some(strict, log, {"parking": 12}, {"name": "North"})
    assert len(batch.records) == 1
    (bad,) = batch.rejected
    assert (bad.field, bad.value_type, bad.reason) == (
        "parking",
        "number",
        "the manifest does not name this attribute",
    )
    assert [drift.name for drift in found(log)] == ["parking"]


def test_an_attribute_that_no_record_has_any_more_is_missing_only_where_all_are_sent(campus: Entity) -> None:
    log = DriftLog()
    map_some(campus, log, {}, {}, without="website")
    assert found(log) == (Drift(CAMPUS, DriftKind.VANISHED, "website", "null"),)
    assert log.found(every_attribute_is_sent=False) == ()
    map_some(campus, log, {"website": "https://example.org"})
    assert found(log) == ()
    assert DriftLog().found(every_attribute_is_sent=True) == ()


def test_a_type_has_changed_when_no_value_fits_its_column(campus: Entity) -> None:
    log = DriftLog()
    map_some(campus, log, {"name": 1}, {"name": 2})
    assert found(log) == ()
    map_some(campus, log, {"name": 3})
    assert found(log) == (Drift(CAMPUS, DriftKind.RETYPED, "name", "integer"),)
    # One value that fits: the others are damaged records.
    map_some(campus, log, {"name": 4}, {"name": "North"})
    assert found(log) == ()


def test_another_version_is_drift(campus: Entity) -> None:
    log = DriftLog()
    log.of(campus).note_version("2025-11-10", "2023-03-21")
    assert found(log) == (Drift(CAMPUS, DriftKind.VERSION, "2025-11-10", "2023-03-21"),)
