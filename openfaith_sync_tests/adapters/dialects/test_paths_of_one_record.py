"""A path that gives one object is a listing of one record, proven like any other."""

from pathlib import Path

import pytest

from openfaith_sync.domain.errors import MalformedAnswer, NotFoundAtSource
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.engine.passes.page_reading import PageReader
from openfaith_sync.engine.passes.token_walk import whole_listing_walk
from openfaith_sync_tests.adapters.dialects.declared import Answer, answering, declare, linked, listed, resource

CHURCH, ENROLLMENT = EntityName("organization"), EntityName("enrollment")
ENTITIES = """
  organization:
    resource: Organization
    description: The church.
    endpoints: {list: /}
    singleton: true
    delta: {by: none, attribute: null}
    attributes: {name: {type: string}}
  group:
    resource: Group
    description: A group.
    endpoints: {list: /groups}
    delta: {by: none, attribute: null}
    attributes: {name: {type: string}}
  enrollment:
    resource: Enrollment
    description: How people join a group.
    endpoints: {list: "/groups/{parent}/enrollment"}
    nested: {under: group, one: true}
    delta: {by: none, attribute: null}
    attributes: {status_text: {type: string}}
    relationships: {group: {target: group, resource: Group, nullable: false}}
  speakership:
    resource: Speakership
    description: Who speaks.
    endpoints: {list: /speakerships}
    delta: {by: none, attribute: null}
    attributes: {}
"""
GRACE = {"data": resource("Organization", "1", {"name": "Grace"}), "meta": {}}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return declare(tmp_path, ENTITIES)


def test_an_object_is_a_page_of_one_record(manifest: Manifest) -> None:
    entity = manifest.entities[CHURCH]
    with answering(manifest, lambda *_: GRACE) as (source, asked):
        walk, reader = whole_listing_walk(entity, manifest.paging_of(CHURCH)), PageReader(source.read_page, 100)
        page = reader.read(walk.query(Slice()))
        step = walk.advance(Slice(), page)
    assert asked.requests == [("/people/v2/", {})]
    assert [page.records[index].external_id for index in step.fresh] == ["1"]
    assert (page.total_count, page.has_next, step.slice.done) == (1, False, True)


def test_one_object_below_a_parent_is_its_whole_list(manifest: Manifest) -> None:
    answer = {"data": resource("Enrollment", "7", {"status_text": "open"})}
    with answering(manifest, lambda *_: answer) as (source, asked):
        page = source.read_page(ListingQuery(ENROLLMENT, parent=ExternalId("3")))
    assert asked.last == ("/people/v2/groups/3/enrollment", {})
    assert page.records[0].references["group"] == (ExternalId("3"), "Group")
    assert page.total_count == 1


def test_no_object_below_a_parent_is_said_to_be_none(manifest: Manifest) -> None:
    with answering(manifest, lambda *_: 404) as (source, _), pytest.raises(NotFoundAtSource):
        source.read_page(ListingQuery(ENROLLMENT, parent=ExternalId("3")))


@pytest.mark.parametrize("answer", [{"data": None}, {"data": []}, {}, listed(GRACE["data"])])
def test_what_is_no_object_is_neither_one_nor_none(manifest: Manifest, answer: Answer) -> None:
    with answering(manifest, lambda *_: answer) as (source, _), pytest.raises(MalformedAnswer):
        source.read_page(ListingQuery(CHURCH))


def test_an_object_of_another_type_is_a_damaged_record(manifest: Manifest) -> None:
    answer = {"data": resource("Person", "1", {"name": "Anna"})}
    with answering(manifest, lambda *_: answer) as (source, _):
        (record,) = source.read_page(ListingQuery(CHURCH)).records
    assert record.damage is not None
    assert record.damage.field == "type"


def test_a_record_without_attributes_is_whole_if_the_manifest_names_none(manifest: Manifest) -> None:
    with answering(manifest, lambda *_: listed({**linked("Speakership", "1")})) as (source, _):
        page = source.read_page(ListingQuery(EntityName("speakership")))
    assert not page.unreadable
