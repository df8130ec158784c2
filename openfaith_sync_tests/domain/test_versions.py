"""What a listing's versions say of where its records stand."""

import pytest

from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.passes.listing import version_keys
from openfaith_sync.domain.records.record import RawRecord

BEFORE = "2026-01-01T00:00:00Z"


def keys_of(*versions: object) -> list[str]:
    records = [RawRecord(ExternalId(str(n)), {"updated_at": version}, {}, {}) for n, version in enumerate(versions)]
    return version_keys(records, "updated_at", BEFORE)


@pytest.mark.parametrize(
    ("version", "key"),
    [
        ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
        ("2026-02-03T04:05:06.789Z", "2026-02-03T04:05:06Z"),
        ("2026-02-03T09:35:06+05:30", "2026-02-03T04:05:06Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_version_is_its_moment_in_utc(version: str, key: str) -> None:
    assert keys_of(version) == [key]


@pytest.mark.parametrize(
    "version",
    [
        "2026-99-99T99:99:99Z", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:59:00Z",
        "2026-06-30T23:59:60Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
        "\u0662\u0660\u0662\u0666-01-01T00:00:00Z", "2026-01-01T00:00:00", "", None, 1767225600, [],
    ],
)  # fmt: skip
def test_a_version_that_is_no_moment_stands_where_the_record_before_it_stands(version: object) -> None:
    assert keys_of(version, "2026-02-03T04:05:06Z", version) == [BEFORE, *["2026-02-03T04:05:06Z"] * 2]
