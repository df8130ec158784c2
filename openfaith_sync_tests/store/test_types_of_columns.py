"""Each type of attribute has its column, from what the source sends to what a reader gets."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from openfaith_sync.domain.ids import ExternalId, SyncKey
from openfaith_sync.domain.manifest.attribute import AttributeType
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import build_mapper, map_batch
from openfaith_sync.domain.record_tables import ColumnType
from openfaith_sync.domain.records.record import RawRecord, Reference
from openfaith_sync.store.admin.reports import read_frame
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.source_tables import apply_manifest
from openfaith_sync.store.schema.catalogue import FoundColumn
from openfaith_sync.store.schema.physical_columns import CATALOGUE_TYPES, has_type
from openfaith_sync_tests.added_entity import NOTE, read_with_note
from openfaith_sync_tests.store.making import ORG, PCO, fetch, walking

CLOCK = datetime(2024, 2, 29, 1, 2, 3)  # noqa: DTZ001  a clock on the wall


def apply(database: Database, manifest: Manifest) -> None:
    with database.connect_fleet() as connection:
        list(apply_manifest(connection, manifest))


def a_note(**attributes: object) -> RawRecord:
    person = Reference(ExternalId("7"), "Person")
    return RawRecord(ExternalId("1"), attributes, {"person": person}, {"id": "1"})


def test_every_type_has_a_column_that_the_catalogue_calls_so(database: Database, tmp_path: Path) -> None:
    manifest = read_with_note(tmp_path, **{f"of_{kind}": f"{{type: {kind}}}" for kind in AttributeType})
    apply(database, manifest)
    found = {
        name: FoundColumn(kind, is_by_bytes, None)
        for name, kind, is_by_bytes in fetch(
            database,
            """SELECT attname, format_type(atttypid, atttypmod), COALESCE(collname = 'C', false)
               FROM pg_attribute LEFT JOIN pg_collation sorted ON sorted.oid = attcollation
               WHERE attrelid = 'pco.notes'::regclass AND attnum > 0""",
        )
    }
    own = manifest.entities[NOTE].record_table.own
    assert {column.type for column in own} == set(ColumnType) - {ColumnType.INTEGER}
    assert all(has_type(found[column.name], column.type) for column in own)
    assert CATALOGUE_TYPES.keys() == set(ColumnType)


@pytest.mark.parametrize(
    ("value", "date", "moment", "clock"),
    [
        ('"2024-02-29"', datetime(2024, 2, 29).date(), None, None),  # noqa: DTZ001
        ('"2023-02-29"', None, None, None),
        ('"0000-00-00"', None, None, None),
        ('"tomorrow"', None, None, None),
        ('"infinity"', None, None, None),
        ("20240229", None, None, None),
        ("[]", None, None, None),
        ('"2024-02-29T01:02:03Z"', None, datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC), CLOCK),
        ('"2024-02-29T01:02:03+02:00"', None, datetime(2024, 2, 28, 23, 2, 3, tzinfo=UTC), CLOCK),
        ('"2024-02-30T01:02:03Z"', None, None, None),
        ('"2024-02-29T01:02:03"', None, None, CLOCK),
        ('"2024-02-29T25:02:03Z"', None, None, None),
    ],
)
def test_dates_and_times_in_custom_fields_are_read_or_null(
    module_database: Database, value: str, date: object, moment: object, clock: object
) -> None:
    with module_database.connect_fleet() as connection:
        found = connection.execute(
            "SELECT sync.json_date(%s), sync.json_timestamp(%s), sync.json_local_timestamp(%s)", [value] * 3
        ).fetchall()
    assert found == [(date, moment, clock)]


def test_a_value_of_each_new_type_is_stored_and_read_as_it_is(database: Database, tmp_path: Path) -> None:
    kinds = {"starts_at": "local_date_time", "currency": "currency", "labels": "array", "cents": "integer"}
    manifest = read_with_note(tmp_path, **{name: f"{{type: {kind}}}" for name, kind in kinds.items()})
    apply(database, manifest)
    mapper = build_mapper(manifest.entities[NOTE], ORG, PCO, manifest.entities)
    raw = a_note(starts_at="2024-02-29T01:02:03Z", currency="USD", labels=["a", {"b": 1}], cents=2**40)
    batch = map_batch(mapper, NOTE, [raw])
    assert batch.records[0].unreadable == ()
    assert batch.records[0].custom_fields == b"{}"
    with walking(database, SyncKey(ORG, PCO, NOTE)) as walk:
        walk.commit(batch)
        walk.commit(batch)
    assert fetch(database, "SELECT starts_at, currency, labels, cents FROM pco.notes") == [
        (CLOCK, "USD", ["a", {"b": 1}], 2**40)
    ]
    frame = read_frame(database, ORG, PCO, NOTE)
    types = frame.dtypes.astype(str)
    assert [types[name] for name in kinds] == ["datetime64[us]", "string", "object", "Int64"]
    assert frame["starts_at"].iloc[0] == CLOCK


@pytest.mark.parametrize(
    ("sent", "column", "kept"),
    [
        ("2024-02-29T01:02:03Z", CLOCK, None),
        ("2024-02-29T01:02:03-08:00", CLOCK, "2024-02-29T01:02:03-08:00"),
        ("2024-02-29 01:02:03", CLOCK, "2024-02-29 01:02:03"),
        ("2024-02-30T01:02:03Z", None, "2024-02-30T01:02:03Z"),
        ("2024-02-29", None, "2024-02-29"),
        (20240229, None, 20240229),
    ],
)
def test_a_local_time_is_what_the_clock_shows(tmp_path: Path, sent: object, column: object, kept: object) -> None:
    manifest = read_with_note(tmp_path, starts_at="{type: local_date_time}")
    entity = manifest.entities[NOTE]
    record = build_mapper(entity, ORG, PCO, manifest.entities)(a_note(starts_at=sent))
    values = dict(zip((one.name for one in entity.record_table.columns), record.values, strict=True))
    assert values["starts_at"] == column
    assert orjson.loads(record.custom_fields).get("pco_starts_at") == kept
    assert record.unreadable == (("starts_at",) if column is None else ())
