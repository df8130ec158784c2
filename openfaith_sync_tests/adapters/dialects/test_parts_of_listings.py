"""A part of a listing is asked for by an attribute that the source filters by."""

from datetime import UTC, datetime

import pytest

from openfaith_sync.adapters.dialects.json_api.dialect import JsonApiDialect
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery, Within

EVENT = EntityName("event")
BEGIN, END = datetime(2026, 3, 1, 6, tzinfo=UTC), datetime(2026, 4, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("within", "sent"),
    [
        (None, {}),
        (
            Within("starts_at", BEGIN, END),
            {"where[starts_at][gte]": "2026-03-01T06:00:00Z", "where[starts_at][lt]": "2026-04-01T05:00:00Z"},
        ),
        (Within("starts_at", begin=BEGIN), {"where[starts_at][gte]": "2026-03-01T06:00:00Z"}),
        (Within("starts_at", end=END), {"where[starts_at][lt]": "2026-04-01T05:00:00Z"}),
    ],
)
def test_the_bounds_of_a_part_are_sent_as_filters(
    pco_manifest: Manifest, within: Within | None, sent: dict[str, str]
) -> None:
    query = ListingQuery(EVENT, within=within)
    request = JsonApiDialect(pco_manifest).listing_request(pco_manifest.entities[EVENT], query)
    assert {name: value for name, value in request.parameters.items() if name.startswith("where")} == sent
