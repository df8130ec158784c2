"""The path of a nested record is filled with its parent's id, and with those of what its parent refers to."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync_tests.adapters.dialects.declared import Answer, answering, declare, linked, listed, resource

ITEM, PLAN, FORTY = EntityName("item"), ExternalId("7"), ExternalId("40")
ANCESTORS = {"service_type": FORTY}
ENTITIES = """
  item:
    resource: Item
    description: An item of a plan.
    endpoints:
      list: /service_types/{service_type}/plans/{parent}/items
      get: /service_types/{service_type}/plans/{parent}/items/{id}
    delta: {by: none}
    nested: {under: plan}
    attributes: {title: {type: string}, updated_at: {type: date_time}}
    relationships: {plan: {target: plan, resource: Plan, nullable: false, always: true}}
"""


def answer(path: str, _: Mapping[str, str]) -> Answer:
    found = resource("Item", "1", {"title": "Song"}, plan=linked("Plan", "7"))
    return {"data": found} if path.endswith("/1") else listed(found)


def test_the_path_parameters_of_a_listing_are_filled(tmp_path: Path) -> None:
    with answering(declare(tmp_path, ENTITIES), answer) as (source, asked):
        page = source.read_page(ListingQuery(ITEM, parent=PLAN, ancestors=ANCESTORS))
    assert asked.last[0] == "/people/v2/service_types/40/plans/7/items"
    assert [record.external_id for record in page.records] == ["1"]


def test_the_path_parameters_of_a_single_read_are_filled(tmp_path: Path) -> None:
    with answering(declare(tmp_path, ENTITIES), answer) as (source, asked):
        fresh = source.read_record(ITEM, ExternalId("1"), PLAN, {"service_type": ExternalId("4/0")})
    assert asked.last[0] == "/people/v2/service_types/4%2F0/plans/7/items/1"
    assert fresh is not None


def test_a_path_with_a_path_parameter_left_is_never_sent(tmp_path: Path) -> None:
    with answering(declare(tmp_path, ENTITIES), answer) as (source, asked):
        with pytest.raises(DefinitionError, match="needs the service_type's id"):
            source.read_page(ListingQuery(ITEM, parent=PLAN))
        with pytest.raises(DefinitionError, match="needs the service_type's id"):
            source.read_record(ITEM, ExternalId("1"), PLAN)
    assert not asked.requests
