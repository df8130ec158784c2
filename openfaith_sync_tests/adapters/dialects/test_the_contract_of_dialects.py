"""What every dialect must do over real HTTP: page while rows move, prove, bear damage, read one, keep a budget."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from openfaith_sync.adapters.dialects.port import RecordSource
from openfaith_sync.adapters.dialects.registry import DIALECTS, open_dialect
from openfaith_sync.adapters.ratelimit.budget_share import BudgetExhausted
from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.errors import (
    AnotherAccount,
    DefinitionError,
    MalformedAnswer,
    ReconnectRequired,
    SourceFailed,
    TransientError,
)
from openfaith_sync.domain.ids import AccountId, EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import build_mapper
from openfaith_sync.domain.mapping.unstorable_text import storable_json
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.engine.passes.page_reading import PageReader
from openfaith_sync.engine.passes.token_walk import whole_listing_walk
from openfaith_sync_tests.adapters.dialects.fake_sources import (
    ERRORS,
    KEY,
    NUMBERED_ERROR,
    SIZE,
    SOURCES,
    SUCCESS_FALSE,
    FakeSource,
    PcoSource,
    Reply,
    serving,
)

GRACE, PERSON = OrgId("grace"), EntityName("person")
IDS = [str(number) for number in range(1, 15)]
BY_NAME = [*IDS[7:], *IDS[:7]]
MOST_REQUESTS = 200


@pytest.fixture(params=SOURCES)
def fake(request: pytest.FixtureRequest) -> Iterator[FakeSource]:
    """One source of each dialect, with fourteen people."""
    kind: type[FakeSource] = request.param
    is_by_id = kind.manifest.entities[PERSON].listed_by == "id"
    with serving(kind(list(IDS if is_by_id else BY_NAME))) as source:
        yield source


def opened(
    fake: FakeSource,
    *,
    key: str = KEY,
    manifest: Manifest | None = None,
    account: str | None = None,
    patience: timedelta | None = None,
    time_zone: str = "UTC",
) -> AbstractContextManager[RecordSource]:
    """Open the records of the source; no request is tried again."""
    manifest = manifest or fake.manifest
    connection = Connection(
        GRACE,
        manifest.adapter,
        fake.base_url,
        fake.credentials(key),
        account=None if account is None else AccountId(account),
        time_zone=time_zone,
    )
    return open_source(manifest, connection, attempts=1, patience=patience)


def walk(fake: FakeSource, source: RecordSource) -> list[str]:
    """Return the ids that a whole walk lists, in the order in which they came."""
    walking = whole_listing_walk(fake.manifest.entities[PERSON], fake.manifest.adapter_file.paging)
    reader, part, found = PageReader(source.read_page, SIZE), Slice(), list[str]()
    for _ in range(MOST_REQUESTS):
        page = reader.read(walking.query(part))
        step = walking.advance(part, page)
        found += [page.records[index].external_id for index in step.fresh]
        part = step.slice
        if part.done:
            return found
    pytest.fail("the walk does not end")


def test_every_dialect_has_a_source_here() -> None:
    tested = {source.manifest.adapter_file.dialect for source in SOURCES}
    # The documents of pco are those of json_api.
    assert tested | {"json_api"} == set(DIALECTS), "add a source to SOURCES in fake_sources.py"


def test_a_whole_listing_is_read_once(fake: FakeSource) -> None:
    with opened(fake) as source:
        assert walk(fake, source) == fake.people


@pytest.mark.parametrize("count", [0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE])
def test_a_listing_of_any_length_has_an_end(fake: FakeSource, count: int) -> None:
    del fake.people[count:]
    with opened(fake) as source:
        assert walk(fake, source) == fake.people


@pytest.mark.parametrize("at", range(1, 10))
def test_no_row_is_lost_when_one_before_it_goes(fake: FakeSource, at: int) -> None:
    stays = fake.people[3:]
    fake.before = lambda number: fake.people.__delitem__(0) if number in {at, at + 2, at + 4} else None
    with opened(fake) as source:
        assert set(stays) <= set(walk(fake, source))


@pytest.mark.parametrize("at", range(1, 10))
def test_no_row_is_lost_when_new_ones_come(fake: FakeSource, at: int) -> None:
    stays = list(fake.people)

    def add(number: int) -> None:
        if number in {at, at + 1, at + 3}:
            place = len(fake.people) if fake.takes_new_people == "at the end" else 2
            fake.people.insert(place, str(100 + number))

    fake.before = add
    with opened(fake) as source:
        assert set(stays) <= set(walk(fake, source))


@pytest.mark.parametrize("at", range(1, 10))
def test_no_row_is_lost_when_the_last_one_read_goes(fake: FakeSource, at: int) -> None:
    goes = fake.people[SIZE - 1]
    stays = [one for one in fake.people if one != goes]
    fake.before = lambda number: fake.people.remove(goes) if number >= at and goes in fake.people else None
    with opened(fake) as source:
        assert set(stays) <= set(walk(fake, source))


def test_no_row_is_lost_that_stands_behind_a_higher_id(fake: FakeSource) -> None:
    if fake.manifest.entities[PERSON].listed_by == "id":
        return
    fake.people[:] = ["60", "61", "62", "90", "10"]
    fake.before = lambda number: fake.people.remove("90") if number >= 2 and "90" in fake.people else None
    with opened(fake) as source:
        assert {"60", "61", "62", "10"} <= set(walk(fake, source))


def test_pages_shorter_than_asked_for_lose_nothing(fake: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "page", lambda offset, size: fake.people[offset : offset + min(size, SIZE - 1)])
    with opened(fake) as source:
        if fake.manifest.adapter_file.paging.by == "page":
            # The number of a page says where it begins only if all pages are full.
            with pytest.raises(MalformedAnswer, match=r"check paging\.size"):
                walk(fake, source)
        else:
            assert walk(fake, source) == fake.people


NO_PAGES = {
    "false": Reply(b"false"),
    "null": Reply(b"null"),
    "an empty body": Reply(b""),
    "a text": Reply(b'"none"'),
    "an object": Reply(b'{"people":[]}'),
    "broken JSON": Reply(b'[{"id":"1"}'),
    "a page for people": Reply(b"<html>maintenance</html>", media_type="text/html"),
    "no media type": Reply(b"[]", media_type=""),
    "another document": Reply(b"<ccb_api><response></response></ccb_api>", media_type="text/xml"),
    "a document that is cut": Reply(b'<ccb_api><individuals count="1">', media_type="text/xml"),
    "fewer rows than are stated": Reply(b'<ccb_api><individuals count="2"/></ccb_api>', media_type="text/xml"),
    "a document type": Reply(b"<!DOCTYPE a><ccb_api><individuals/></ccb_api>", media_type="text/xml"),
}


@pytest.mark.parametrize("reply", NO_PAGES.values(), ids=NO_PAGES.keys())
def test_what_is_no_page_is_never_an_empty_one(fake: FakeSource, reply: Reply) -> None:
    fake.listing = reply
    with opened(fake) as source, pytest.raises(MalformedAnswer):
        source.read_page(ListingQuery(PERSON))


REFUSALS = {
    "success: false": SUCCESS_FALSE,
    "errors": ERRORS,
    "an error code": Reply(b'{"errorCode":"7"}'),
    "a number of no row": NUMBERED_ERROR,
}


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_with_status_200_is_never_an_empty_page(fake: FakeSource, reply: Reply) -> None:
    fake.listing = reply
    with opened(fake) as source, pytest.raises((MalformedAnswer, DefinitionError)):
        source.read_page(ListingQuery(PERSON))


def test_a_refusal_that_the_manifest_describes_is_said_to_be_one(fake: FakeSource) -> None:
    for refusal in fake.refusals:
        fake.listing = refusal
        with opened(fake) as source, pytest.raises(DefinitionError):
            source.read_page(ListingQuery(PERSON))


def test_more_rows_than_were_asked_for_are_refused(fake: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "page", lambda offset, size: fake.people[offset : offset + size + 1])
    with opened(fake) as source:
        if isinstance(fake, PcoSource):
            # The source states where the next page begins, and that is where it does.
            assert source.read_page(ListingQuery(PERSON)).rows == SIZE + 1
        else:
            with pytest.raises(MalformedAnswer, match="rows where"):
                source.read_page(ListingQuery(PERSON))


def test_a_damaged_row_costs_one_record(fake: FakeSource) -> None:
    fake.unreadable = fake.people[1]
    with opened(fake) as source:
        page = source.read_page(ListingQuery(PERSON))
    assert [record.damage is not None for record in page.records] == [False, True, False, False]
    assert page.records[1].is_unidentified
    assert page.records[1].body["place"]["after"] == fake.people[0]
    assert [record.external_id for record in page.records[2:]] == fake.people[2:SIZE]


def test_what_was_kept_of_a_row_is_read_as_the_row_was(fake: FakeSource) -> None:
    fake.unreadable = fake.people[1]
    with opened(fake) as source:
        rows = source.read_page(ListingQuery(PERSON)).records
        single = source.read_record(PERSON, ExternalId(fake.people[0]))
    assert single is not None
    kept = open_dialect(fake.manifest).kept
    for row in (*rows, single.record):
        # As the database gives it back.
        body = json.loads(storable_json(row.body))
        again = kept.parse_stored(PERSON, body)
        assert again._replace(body={}) == row._replace(body={})
    assert [row.damage is None for row in rows] == [True, False, True, True]


def test_only_a_number_is_an_id_where_ids_are_numbers(fake: FakeSource) -> None:
    if fake.manifest.entities[PERSON].id_format == "text":
        return
    fake.people[1] = "delete"
    with opened(fake) as source:
        page = source.read_page(ListingQuery(PERSON))
        assert page.records[1].is_unidentified
        sent = len(fake.requests)
        with pytest.raises(DefinitionError, match="none of the manifest's read paths"):
            source.read_record(PERSON, ExternalId("delete"))
    assert len(fake.requests) == sent


def test_a_record_is_mapped(fake: FakeSource) -> None:
    entity = fake.manifest.entities[PERSON]
    mapper = build_mapper(entity, GRACE, fake.manifest.adapter, fake.manifest.entities)
    names = [column.name for column in entity.record_table.columns]
    with opened(fake) as source:
        fresh = source.read_record(PERSON, ExternalId("3"))
    assert fresh is not None
    row = dict(zip(names, mapper(fresh.record).values, strict=True))
    assert (row["first_name"], row["status"]) == ("Name 3", "active")


def test_a_record_that_is_gone_is_none(fake: FakeSource) -> None:
    with opened(fake) as source:
        assert source.read_record(PERSON, ExternalId("999")) is None


def test_a_not_found_of_something_on_the_way_is_no_evidence(fake: FakeSource) -> None:
    fake.record = Reply(b"<html>404</html>", 404, "text/html")
    with opened(fake) as source, pytest.raises(SourceFailed, match="not the source's own"):
        source.read_record(PERSON, ExternalId("3"))


def test_another_record_than_the_one_asked_for_is_refused(fake: FakeSource) -> None:
    with opened(fake) as source:
        page = source.read_page(ListingQuery(PERSON, size=1))
        fake.unreadable = "3"
        if isinstance(fake, PcoSource):
            return
        with pytest.raises(MalformedAnswer, match="another person"):
            source.read_record(PERSON, ExternalId("3"))
    assert page.rows == 1


def test_wrong_credentials_must_be_replaced(fake: FakeSource) -> None:
    with opened(fake, key="wrong") as source, pytest.raises(ReconnectRequired):
        source.read_page(ListingQuery(PERSON))


def test_a_key_is_in_no_error(fake: FakeSource) -> None:
    with opened(fake, key="secret-key") as source, pytest.raises(ReconnectRequired) as caught:
        source.read_account()
    assert "secret-key" not in str(caught.value)


def test_records_of_another_account_are_refused(fake: FakeSource) -> None:
    if not fake.states_account:
        return
    with opened(fake, account="1") as source, pytest.raises(AnotherAccount):
        source.read_page(ListingQuery(PERSON))
    with opened(fake, account=fake.account) as source:
        assert source.read_page(ListingQuery(PERSON)).rows == SIZE
        assert source.read_account().account == fake.account


def _stated(fake: FakeSource) -> int:
    """Return how many requests the source, or its manifest, allows at once."""
    limits = [int(value) for name, value in fake.budget_headers.items() if name.lower().endswith("-limit")]
    return limits[0] if limits else fake.full_manifest.adapter_file.rate_limit.assumed_limit


def _read_often(source: RecordSource, times: int) -> None:
    for _ in range(times):
        source.read_page(ListingQuery(PERSON))


def test_no_more_requests_are_sent_than_are_allowed(fake: FakeSource) -> None:
    fake.headers, allowed = fake.budget_headers, _stated(fake)
    with opened(fake, manifest=fake.full_manifest, patience=timedelta()) as source, pytest.raises(BudgetExhausted):
        _read_often(source, allowed + 1)
    assert allowed // 2 < len(fake.requests) <= allowed


def test_a_refusal_for_the_rate_closes_the_budget(fake: FakeSource) -> None:
    fake.listing = Reply(b"", 429, headers={"Retry-After": "60"})
    with opened(fake, patience=timedelta()) as source:
        for _ in range(2):
            with pytest.raises(TransientError, match=r"rate limit|budget"):
                source.read_page(ListingQuery(PERSON))
    entity = fake.manifest.entities[PERSON]
    assert [path for path, _ in fake.requests].count(entity.path + entity.endpoints.list) == 1
