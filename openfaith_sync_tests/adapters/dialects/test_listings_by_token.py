"""A listing whose pages give the token of the next one resumes from it, and begins anew where it is not known."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.errors import DefinitionError, MalformedAnswer, SourceFailed
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.adapters.dialects.fake_sources import KEY, CursorSource, Reply, serving

GRACE, PERSON = OrgId("grace"), EntityName("person")
PAGES = 4


@pytest.fixture
def church() -> Iterator[CursorSource]:
    source = CursorSource([str(number) for number in range(1, 15)])
    with serving(source):
        yield source


@contextmanager
def opened(database: Database, church: CursorSource) -> Iterator[Session]:
    connection = Connection(GRACE, church.manifest.adapter, church.base_url, church.credentials(KEY))
    ensure_tables(database, church.manifest)
    with open_source(church.manifest, connection, attempts=1) as source, open_store(database, GRACE) as store:
        yield Session(church.manifest, source, store, GRACE)


def listed(church: CursorSource) -> list[str]:
    """Return the cursors that pages were asked for with."""
    return [query.get("cursor", "") for path, query in church.requests if path == "/v1/people"]


def fail_from(church: CursorSource, page: int) -> None:
    def before(_: int) -> None:
        church.listing = Reply(b"", 503) if len(listed(church)) >= page else None

    church.before = before


def interrupted(database: Database, church: CursorSource) -> None:
    """Sync until the third page fails."""
    fail_from(church, 3)
    with opened(database, church) as session, pytest.raises(SourceFailed):
        run_entity(session, PERSON)
    church.before, church.listing = lambda _: None, None
    church.requests.clear()


def test_a_listing_is_read_to_its_end(database: Database, church: CursorSource) -> None:
    with opened(database, church) as session:
        result = run_entity(session, PERSON)
    assert (result.counts.created, listed(church)) == (14, ["", "4", "8", "12"])


def test_an_interrupted_listing_goes_on_from_its_token(database: Database, church: CursorSource) -> None:
    interrupted(database, church)
    with opened(database, church) as session:
        result = run_entity(session, PERSON)
    assert (result.resumed, result.stored_count) == (True, 14)
    assert listed(church) == ["8", "12"]


def test_a_token_that_is_not_known_any_more_begins_the_listing_anew(database: Database, church: CursorSource) -> None:
    interrupted(database, church)
    church.is_forgetful = True

    def remember(_: int) -> None:
        # The kept cursor is not known; those that are given from now on are.
        church.is_forgetful = listed(church) == ["8"]

    church.before = remember
    with opened(database, church) as session:
        result = run_entity(session, PERSON)
    assert result.stored_count == 14
    assert listed(church) == ["8", "", "4", "8", "12"]


def test_a_token_that_was_just_given_must_be_known(database: Database, church: CursorSource) -> None:
    church.is_forgetful = True
    with opened(database, church) as session, pytest.raises(DefinitionError):
        run_entity(session, PERSON)
    assert listed(church) == ["", "4"]


def test_a_page_that_gives_itself_as_the_next_is_refused(database: Database, church: CursorSource) -> None:
    with opened(database, church) as session:
        church.listing = Reply(b'{"data":[{"id":1}],"meta":{"next":"7"}}')
        with pytest.raises(MalformedAnswer, match="names itself"):
            session.source.read_page(ListingQuery(PERSON, token="7"))


def test_a_reconciliation_lists_by_tokens_and_deletes_what_is_proven_gone(
    database: Database, church: CursorSource
) -> None:
    with opened(database, church) as session:
        run_entity(session, PERSON)
        church.people.remove("7")
        result = run_entity(session, PERSON, SyncMode.RECONCILIATION)
    assert result.counts.tombstoned == 1
