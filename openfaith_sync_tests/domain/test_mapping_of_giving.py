"""Money is mapped as whole cents with its currency, and never a sign, a fund or a giver is guessed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.adapters.dialects.json_api.resource_objects import ResourceShape, read_resource
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import Mapper, build_mapper
from openfaith_sync.domain.records.record import RawRecord, Record, Reference

ORG, PCO = OrgId("grace"), AdapterName("pco")
MANIFESTS = Path(__file__).parents[2] / "manifests"
FOLDER = os.environ.get("OPENFAITH_RECORDINGS")
needs_recordings = pytest.mark.skipif(not FOLDER, reason="OPENFAITH_RECORDINGS names no folder of recorded answers")
# Below what each recorded child was listed; the wire does not name it.
UNDER = {"refund": "56546206", "designation_refund": "3439264", "recurring_donation_designation": "3770675"}
RECORDED = ("donation", "fund", "recurring_donation", *UNDER)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(MANIFESTS, "pco")


def mapper(manifest: Manifest, name: str) -> Mapper:
    return build_mapper(manifest.entities[EntityName(name)], ORG, PCO, manifest.entities)


def columns(mapper: Mapper, record: Record) -> dict[str, Any]:
    return {column.name: value for column, value in zip(mapper.table.columns, record.values, strict=True)}


def entity_id(name: str, external_id: str) -> str:
    return derive_entity_id(ORG, PCO, EntityName(name), external_id)


def raw(kind: str, attributes: dict[str, Any], **references: Reference | None) -> RawRecord:
    body = {"type": kind, "id": "1", "attributes": attributes}
    found = read_resource(body)
    return found._replace(references={**found.references, **references})


def recorded(manifest: Manifest, name: str) -> Iterator[RawRecord]:
    """Yield each recorded record of an entity, with the parent that it was listed below."""
    entity = manifest.entities[EntityName(name)]
    for path in sorted(Path(FOLDER or "").glob("*/giving*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))["response"]["body"]["data"]
        for body in data if isinstance(data, list) else [data]:
            if body["type"] != entity.resource:
                continue
            found = read_resource(body, ResourceShape(entity.resource))
            if entity.nested is not None:
                under = entity.nested.under
                parent = Reference(ExternalId(UNDER[name]), entity.relationships[under].resource)
                found = found._replace(references={**found.references, under: parent})
            yield found


@needs_recordings
@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_record_of_giving_is_mapped_and_nothing_of_it_is_unreadable(
    manifest: Manifest, name: str
) -> None:
    map_record = mapper(manifest, name)
    mapped = [map_record(found) for found in recorded(manifest, name)]
    assert mapped
    assert not [record.unreadable for record in mapped if record.unreadable]


@needs_recordings
def test_the_recorded_gift_is_mapped_to_the_cent(manifest: Manifest) -> None:
    map_record = mapper(manifest, "donation")
    (gift,) = [map_record(found) for found in recorded(manifest, "donation") if found.external_id == "50065542"]
    values = columns(map_record, gift)
    money = ("amount_cents", "fee_cents", "currency", "payment_status", "refunded")
    assert {name: values[name] for name in money} == {
        "amount_cents": 10_250,
        "fee_cents": -250,
        "currency": "USD",
        "payment_status": "succeeded",
        "refunded": False,
    }
    # The giver is Giving's own until proven to be a person of People.
    assert values["person_id"] == entity_id("giving_person", "102881153")
    assert values["payment_source_id"] == entity_id("payment_source", "planning_center")
    assert values["batch_id"] is None
    assert values["campus_id"] is None


@needs_recordings
def test_the_recorded_refund_and_its_part_are_negative_and_name_what_they_are_of(manifest: Manifest) -> None:
    map_refund, map_part = mapper(manifest, "refund"), mapper(manifest, "designation_refund")
    (refund,) = [columns(map_refund, map_refund(found)) for found in recorded(manifest, "refund")]
    (part,) = [columns(map_part, map_part(found)) for found in recorded(manifest, "designation_refund")]
    assert (refund["amount_cents"], refund["currency"], refund["fee_cents"]) == (-2_000, "USD", 0)
    assert refund["donation_id"] == entity_id("donation", "56546206")
    assert (part["amount_cents"], part["currency"]) == (-2_000, "USD")
    assert part["refund_id"] == entity_id("refund", "3439264")
    assert part["designation_id"] == entity_id("designation", "60041427")


@pytest.mark.parametrize("name", ["refund", "designation_refund"])
@pytest.mark.parametrize("sent", [-2_000, 2_000])
def test_a_refund_is_negative_whatever_its_sign_on_the_wire_and_what_came_is_kept(
    manifest: Manifest, name: str, sent: int
) -> None:
    entity, map_record = manifest.entities[EntityName(name)], mapper(manifest, name)
    assert entity.nested is not None
    under = entity.relationships[entity.nested.under]
    parent = {entity.nested.under: Reference(ExternalId("5"), under.resource)}
    record = map_record(raw(entity.resource, {"amount_cents": sent, "amount_currency": "USD"}, **parent))
    assert columns(map_record, record)["amount_cents"] == -2_000
    assert json.loads(record.custom_fields).get("pco_amount_cents", -2_000) == sent


def test_an_amount_that_is_no_whole_number_is_not_stored_as_one(manifest: Manifest) -> None:
    map_record = mapper(manifest, "donation")
    record = map_record(raw("Donation", {"amount_cents": 100.5, "amount_currency": "USD"}))
    assert columns(map_record, record)["amount_cents"] is None
    assert record.unreadable == ("amount_cents",)


def test_an_amount_beyond_four_bytes_is_stored(manifest: Manifest) -> None:
    map_record = mapper(manifest, "donation")
    record = map_record(raw("Donation", {"amount_cents": 2**40, "amount_currency": "USD"}))
    assert columns(map_record, record)["amount_cents"] == 2**40


def test_amounts_and_givers_are_off_until_an_org_turns_them_on(manifest: Manifest) -> None:
    """Of what Giving has, only these are synced and shown without being turned on."""
    open_to_all = {
        name for name, part in manifest.entities.items() if part.module == "giving" and part.sensitivity.is_granted
    }
    assert open_to_all == {"fund", "giving_label", "payment_source", "giving_organization", "pledge_campaign"}
    campaign = manifest.entities[EntityName("pledge_campaign")]
    hidden = {name for name in campaign.attributes if not campaign.sensitivity_of(name).is_granted}
    assert hidden == {"received_total_from_pledges_cents", "received_total_outside_of_pledges_cents"}


def test_every_amount_is_a_whole_number_and_its_entity_states_a_currency(manifest: Manifest) -> None:
    for entity in manifest.entities.values():
        cents = {name: part for name, part in entity.attributes.items() if name.endswith("_cents")}
        assert all(part.type == "integer" for part in cents.values())
        assert not cents or any(part.type == "currency" for part in entity.attributes.values()), entity.name
