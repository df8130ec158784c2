"""What every dialect does with a query's fields and an entity's keys, over real HTTP."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.errors import DefinitionError, SyncError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.engine.passes.page_reading import PageReader
from openfaith_sync.engine.passes.token_walk import whole_listing_walk
from openfaith_sync_tests.adapters.dialects.fake_sources import SOURCES, FakeSource, serving
from openfaith_sync_tests.adapters.dialects.test_the_contract_of_dialects import opened

PERSON = EntityName("person")


@pytest.fixture(params=SOURCES)
def fake(request: pytest.FixtureRequest) -> Iterator[FakeSource]:
    """One source of each dialect, with fourteen people."""
    kind: type[FakeSource] = request.param
    with serving(kind([str(number) for number in range(1, 15)])) as source:
        yield source


def changed(fake: FakeSource, **keys: Any) -> Manifest:
    """Return the source's manifest with other keys of people."""
    person = fake.manifest.entities[PERSON].model_copy(update=keys)
    return fake.manifest.model_copy(update={"entities": {**fake.manifest.entities, PERSON: person}})


def asked(fake: FakeSource) -> list[tuple[str, Mapping[str, str]]]:
    """Return the requests for records, without those that verify the account."""
    auth = fake.manifest.adapter_file.auth
    verifies = [
        path == auth.verify and auth.verify_parameters.items() <= query.items() for path, query in fake.requests
    ]
    return [request for request, is_for_account in zip(fake.requests, verifies, strict=True) if not is_for_account]


def test_an_entity_has_pages_of_its_own_size(fake: FakeSource) -> None:
    manifest = changed(fake, page_size=2)
    walking, part, found = whole_listing_walk(manifest.entities[PERSON], manifest.paging_of(PERSON)), Slice(), []
    with opened(fake, manifest=manifest) as source:
        reader = PageReader(source.read_page, 2)
        while not part.done:
            page = reader.read(walking.query(part))
            step = walking.advance(part, page)
            found += [page.records[index].external_id for index in step.fresh]
            part = step.slice
    assert sorted(found, key=int) == fake.people
    size = fake.manifest.adapter_file.paging.size_parameter
    assert {query.get(size) for path, query in fake.requests if size in query} == {"2"}


def test_a_dropped_value_is_in_no_record_and_no_body(fake: FakeSource) -> None:
    attributes = fake.manifest.entities[PERSON].attributes
    name = next(name for name, part in attributes.items() if part.to == "first_name")
    manifest = changed(fake, drop=(attributes[name].at or name,))
    fake.unreadable = "2"
    with opened(fake, manifest=manifest) as source:
        rows = source.read_page(ListingQuery(PERSON)).records
        single = source.read_record(PERSON, ExternalId("3"))
    assert single is not None
    assert [row.damage is None for row in rows] == [True, False, True, True]
    assert "Name" not in repr((rows, single))
    # Neither does what was kept before the key was there come back.
    with opened(fake) as source:
        (kept, *_) = source.read_page(ListingQuery(PERSON)).records
    assert "Name 1" in repr(kept)
    assert "Name" not in repr(open_dialect(manifest).kept.parse_stored(PERSON, kept.body))


def test_a_variant_is_asked_for_with_its_parameters(fake: FakeSource) -> None:
    manifest = changed(fake, variants=({"kind": "former"}, {"kind": "present"}))
    with opened(fake, manifest=manifest) as source:
        source.read_page(ListingQuery(PERSON))
        source.read_page(ListingQuery(PERSON, variant=1))
    assert [query["kind"] for _, query in asked(fake)] == ["former", "present"]


def test_every_path_parameter_of_a_path_is_filled(fake: FakeSource) -> None:
    endpoints = fake.manifest.entities[PERSON].endpoints
    below = endpoints.model_copy(update={"get": f"{endpoints.get}/in/{{place}}", "list": f"{endpoints.list}/{{place}}"})
    with opened(fake, manifest=changed(fake, endpoints=below)) as source:
        with pytest.raises(DefinitionError, match="needs the place's id"):
            source.read_page(ListingQuery(PERSON))
        with pytest.raises(DefinitionError, match="needs the place's id"):
            source.read_record(PERSON, ExternalId("3"))
        assert not asked(fake)
        _ignoring_the_answer(lambda: source.read_page(ListingQuery(PERSON, ancestors={"place": ExternalId("7")})))
        _ignoring_the_answer(lambda: source.read_record(PERSON, ExternalId("3"), None, {"place": ExternalId("8")}))
    assert [path.rpartition("/")[2] for path, _ in asked(fake)] == ["7", "8"]


def test_a_path_that_gives_one_object_is_a_listing_of_one(fake: FakeSource) -> None:
    endpoints = fake.manifest.entities[PERSON].endpoints
    listing = endpoints.model_copy(update={"list": str(endpoints.get).replace("{id}", "3")})
    parameters = {name: text.replace("{id}", "3") for name, text in endpoints.get_parameters.items()}
    manifest = changed(fake, singleton=True, endpoints=listing, parameters=parameters)
    with opened(fake, manifest=manifest) as source:
        page = source.read_page(ListingQuery(PERSON))
        beyond = source.read_page(ListingQuery(PERSON, offset=1))
    assert ([record.external_id for record in page.records], page.total_count, page.has_next) == (["3"], 1, False)
    assert not beyond.records
    assert all(dict(query) == parameters for _, query in asked(fake))


def _ignoring_the_answer(read: Callable[[], object]) -> None:
    """Send a request to a path that the source does not have, whatever it answers."""
    with suppress(SyncError):
        read()
