"""What a page is without erased records, whatever way it names them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import build_mapper, map_batch
from openfaith_sync.domain.passes.erasures import ERASED, WITHHELD, Erasures
from openfaith_sync.domain.passes.passes import Membership, PageCommit, ParentListing, PassId, Tombstone
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.record import MappedBatch, RawRecord, Reference
from openfaith_sync_tests.canonical_entities import read_canonical
from openfaith_sync_tests.laws.erased_church import EMAIL, HOUSEHOLD, PERSON
from openfaith_sync_tests.store.making import PCO

ORG = OrgId("grace")
DONATION = EntityName("donation")
GONE = derive_entity_id(ORG, PCO, PERSON, "1")


@pytest.fixture
def erasures() -> Erasures:
    """Person 1 was erased, with e-mail address 11."""
    known = Erasures(ORG, PCO, b"key", {})
    own, address = known.hash(GONE), known.hash(derive_entity_id(ORG, PCO, EMAIL, "11"))
    return replace(known, subjects={own: own, address: own}, entities=(PERSON, EMAIL))


def raw(external_id: str, attributes: dict[str, Any], **references: str) -> RawRecord:
    found = {name: Reference(ExternalId(to), "Person") for name, to in references.items()}
    body = {"id": external_id, "attributes": attributes, "people": list(references.values())}
    return RawRecord(ExternalId(external_id), attributes, found, body)


def mapped(manifest: Manifest, entity: Any, *raws: RawRecord) -> MappedBatch:
    return map_batch(build_mapper(manifest.entities[entity], ORG, PCO, manifest.entities), entity, raws)


def page(*batches: MappedBatch, **more: Any) -> PageCommit:
    return PageCommit(PassId(1), WalkPlace(()), batches, **more)


def test_a_page_without_erased_records_is_the_same(erasures: Erasures, pco_manifest: Manifest) -> None:
    people = mapped(pco_manifest, PERSON, raw("2", {"first_name": "Anna"}))
    emails = mapped(pco_manifest, EMAIL, raw("12", {"address": "a@b.c"}, person="2"))
    given = page(people, emails, listed=(ExternalId("2"),))
    assert erasures.without(given, PERSON) == (given, ())


def test_an_erased_record_and_what_belongs_to_it_are_left_out(erasures: Erasures, pco_manifest: Manifest) -> None:
    people = mapped(pco_manifest, PERSON, raw("1", {"first_name": "Anna"}), raw("2", {}))
    # 11 was erased itself; 13 is new and belongs to the erased person; 14 and 15 cannot be stored.
    bad = {"created_at": "1", "address": 1}
    emails = mapped(
        pco_manifest,
        EMAIL,
        raw("11", {}, person="2"),
        raw("12", {}, person="2"),
        raw("13", {}, person="1"),
        raw("14", {"updated_at": 1}),
        raw("15", bad),
    )
    found = erasures.without(page(people, emails), PERSON)
    kept = {batch.entity: [record.external_id for record in batch.records] for batch in found.page.batches}
    assert kept == {PERSON: ["2"], EMAIL: ["12"]}
    own = erasures.hash(GONE)
    assert {(one.entity, one.external_id, one.subject) for one in found.erased} == {
        (PERSON, "1", own),
        (EMAIL, "11", own),
        (EMAIL, "13", own),
    }


def test_a_rejected_record_keeps_no_raw_json_of_an_erased_one(erasures: Erasures, pco_manifest: Manifest) -> None:
    damaged = RawRecord(ExternalId("99"), {}, {}, {"x": [{"id": 1}]}, damage=("x", "x", "x"))  # type: ignore[arg-type]
    other = RawRecord(ExternalId("98"), {}, {}, {"x": [{"id": 17, "is": True}]}, damage=("x", "x", "x"))  # type: ignore[arg-type]
    owned = raw("97", {}, person="1")._replace(damage=("x", "x", "x"))  # type: ignore[arg-type]
    batch = mapped(pco_manifest, EMAIL, damaged, other, owned)
    found = erasures.without(page(batch), EMAIL)
    assert [(bad.external_id, bad.body) for bad in found.page.batches[0].rejected] == [
        ("99", WITHHELD),
        ("98", other.body),
    ]
    assert [one.external_id for one in found.erased] == ["97"]


def test_what_another_record_tells_of_an_erased_one_is_left_out(erasures: Erasures, pco_manifest: Manifest) -> None:
    told = {"name": "The Smiths", "primary_contact_name": "Anna Smith"}
    batch = mapped(pco_manifest, HOUSEHOLD, raw("5", told, primary_contact="1"), raw("6", told, primary_contact="2"))
    changed, same = erasures.without(page(batch), HOUSEHOLD).page.batches[0].records
    assert "pco_primary_contact_name" not in json.loads(changed.custom_fields)
    assert changed.values == batch.records[0].values
    assert changed.content_hash not in {record.content_hash for record in batch.records}
    assert same == batch.records[1]


def test_a_gift_stays_without_its_erased_giver(erasures: Erasures, tmp_path: Path) -> None:
    manifest = read_canonical(tmp_path)
    gift = {"amount_cents": 5000, "memo": "In memory of Anna"}
    batch = mapped(manifest, DONATION, raw("5", gift, person="1"), raw("6", gift, person="2"))
    page_left, erased = erasures.without(page(batch), DONATION)
    changed, same = page_left.batches[0].records
    columns = [column.name for column in manifest.entities[DONATION].record_table.columns]
    values = dict(zip(columns, changed.values, strict=True))
    assert (values["person_id"], values["amount_cents"]) == (None, 5000)
    assert json.loads(changed.custom_fields) == {}
    assert changed.content_hash not in {record.content_hash for record in batch.records}
    assert same == batch.records[1]
    assert erased == ()


def test_listings_name_an_erased_record_by_its_hash(erasures: Erasures, pco_manifest: Manifest) -> None:
    hidden = ERASED + erasures.hash(derive_entity_id(ORG, PCO, EMAIL, "11"))
    table = pco_manifest.entities[EMAIL].record_table
    ids = tuple(map(ExternalId, ("11", "12")))
    gone = tuple(Tombstone(EMAIL, table, known, derive_entity_id(ORG, PCO, EMAIL, known)) for known in ids)
    given = page(
        listed=ids,
        parents=(ParentListing(ExternalId("5"), None, ids),),
        memberships=tuple(Membership(EMAIL, ExternalId("5"), known) for known in ids),
        tombstones=gone,
    )
    found = erasures.without(given, EMAIL).page
    assert found.listed == found.parents[0].listed == (hidden, "12")
    assert [one.external_id for one in found.memberships] == ["12"]
    assert found.tombstones == gone[1:]
    # An id says something within its entity only.
    assert erasures.without(page(listed=(ExternalId("11"),)), HOUSEHOLD).page.listed == ("11",)


def test_the_key_is_not_shown(erasures: Erasures) -> None:
    assert "key" not in repr(erasures).replace("subjects", "")
