"""Merges are read like any other listing: what the source did not prove is refused."""

from datetime import UTC, datetime

import httpx
import pytest

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.port import RecordSource
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.errors import DefinitionError, SyncError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.entity_keys import Merges
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery, Order
from openfaith_sync.domain.records.merges import parse_merge
from openfaith_sync.domain.records.record import Reference
from openfaith_sync_tests.adapters.clients import guarded
from openfaith_sync_tests.adapters.credentials import anybody

PERSON = EntityName("person")
SINCE = datetime(2016, 6, 1, tzinfo=UTC)
QUERY = ListingQuery(PERSON, Order.VERSION, version_from=SINCE, offset=0)


def merger(number: int, **attributes: object) -> dict[str, object]:
    # As Planning Center published one: ids as numbers.
    usual = {"created_at": "2016-06-15T16:07:33Z", "person_to_keep_id": 7504309, "person_to_remove_id": 14994497}
    return {"type": "PersonMerger", "id": str(number), "attributes": usual | attributes, "relationships": {}}


def rule(manifest: Manifest) -> Merges:
    merges = manifest.entities[PERSON].merges
    assert merges is not None
    return merges


def source(
    manifest: Manifest, *data: object, seen: list[httpx.Request] | None = None, total: int | None = None
) -> RecordSource:
    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        meta = {"total_count": len(data) if total is None else total, "count": len(data)}
        return httpx.Response(200, json={"links": {}, "data": list(data), "included": [], "meta": meta})

    client = HttpClient(
        "http://x",
        anybody(),
        manifest.adapter_file,
        transport=httpx.MockTransport(answer),
        pause=lambda _: None,
        attempts=1,
        **guarded(manifest),
    )
    return open_dialect(manifest).open_source(client)


def test_merges_are_asked_for_from_a_second_on_in_their_order(pco_manifest: Manifest) -> None:
    seen: list[httpx.Request] = []
    page = source(pco_manifest, merger(3518), seen=seen).read_merges(QUERY)
    assert seen[0].url.path == "/people/v2/person_mergers"
    assert dict(seen[0].url.params) == {
        "per_page": "100",
        "order": "created_at",
        "where[created_at][gte]": "2016-06-01T00:00:00Z",
    }
    merge = parse_merge(rule(pco_manifest), page.records[0])
    assert merge is not None
    assert (merge.kept, merge.removed) == ("7504309", "14994497")
    assert merge.merged_at == datetime(2016, 6, 15, 16, 7, 33, tzinfo=UTC)


@pytest.mark.parametrize(
    "data",
    [
        [merger(1, created_at="2016-06-20T00:00:00Z"), merger(2, created_at="2016-06-19T00:00:00Z")],
        [merger(1, created_at="2016-05-01T00:00:00Z")],
    ],
    ids=["out of order", "older than asked for"],
)
def test_an_answer_that_proves_nothing_is_refused(
    pco_manifest: Manifest, data: list[dict[str, str | dict[str, str | int]]]
) -> None:
    with pytest.raises(SyncError):
        source(pco_manifest, *data).read_merges(QUERY)


@pytest.mark.parametrize("odd", [{**merger(1), "type": "Person"}, {**merger(1), "id": None}, {"id": 1}, None, "x"])
def test_a_merge_that_cannot_be_read_is_none_and_hides_no_other(pco_manifest: Manifest, odd: object) -> None:
    page = source(pco_manifest, odd, merger(2)).read_merges(QUERY)
    merges = rule(pco_manifest)
    assert [parse_merge(merges, record) is None for record in page.records] == [True, False]


def test_a_listing_that_ends_before_its_count_says_so(pco_manifest: Manifest) -> None:
    page = source(pco_manifest, merger(1), total=2).read_merges(QUERY)
    assert page.is_short


def test_an_entity_without_merges_is_not_asked_for_any(pco_manifest: Manifest) -> None:
    with pytest.raises(DefinitionError, match="does not say where merges"):
        source(pco_manifest).read_merges(ListingQuery(EntityName("email")))


@pytest.mark.parametrize(
    "attributes",
    [
        {"person_to_keep_id": None},
        {"person_to_remove_id": ""},
        {"person_to_keep_id": True},
        {"person_to_keep_id": 14994497},
    ],
)
def test_a_merge_that_names_no_two_people_is_none(pco_manifest: Manifest, attributes: dict[str, object]) -> None:
    page = source(pco_manifest, merger(1, **attributes)).read_merges(QUERY)
    assert parse_merge(rule(pco_manifest), page.records[0]) is None


def test_ids_may_be_text(pco_manifest: Manifest) -> None:
    page = source(pco_manifest, merger(1, person_to_keep_id="7", person_to_remove_id="8")).read_merges(QUERY)
    merge = parse_merge(rule(pco_manifest), page.records[0])
    assert merge is not None
    assert (merge.kept, merge.removed) == ("7", "8")


def test_a_payload_is_read_as_the_record_it_shows(pco_manifest: Manifest) -> None:
    payload = {"type": "Membership", "id": "5", "attributes": {"role": "leader"}, "relationships": {}}
    record = source(pco_manifest).parse_payload(EntityName("group_membership"), payload, ExternalId("40"))
    assert (record.external_id, record.attributes, record.references) == (
        "5",
        {"role": "leader"},
        {"group": Reference(ExternalId("40"), "Group")},
    )
