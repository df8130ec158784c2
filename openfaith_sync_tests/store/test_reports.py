"""What people read: how each org stands, any query, and typed tables."""

from datetime import date

import pytest

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityName, SyncKey
from openfaith_sync.domain.passes.passes import Counts, SyncMode
from openfaith_sync.store.admin.reports import read_frame, run_query, status_rows
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import (
    EMAIL,
    ORG,
    OTHER_ORG,
    PCO,
    PEOPLE,
    PERSON,
    at,
    batch,
    email,
    fetch,
    rejection,
    riders,
    run,
    walking,
)


def test_the_status_says_what_is_held_and_what_the_last_pass_did(database: Database) -> None:
    with walking(database, PEOPLE, riders(EMAIL)) as walk:
        walk.commit(batch([], entity=PERSON), batch([email("1"), email("2")], [rejection("3")]))
        walk.close(at(5))
    run(database, "UPDATE openfaith.emails SET deleted_at = now() WHERE external_id = '2'")
    with walking(database, SyncKey(OTHER_ORG, PCO, EMAIL)) as walk:
        walk.commit(batch([email("1", org=OTHER_ORG)]))
    address, person, other = status_rows(database)
    assert (address.org, address.entity, address.live, address.dead_letters) == (ORG, EMAIL, 1, 1)
    assert (address.watermark, address.last_pass, address.asked_at) == (None, None, None)
    assert (person.entity, person.watermark) == (PERSON, at(5))
    assert person.last_pass is not None
    assert person.asked_at == person.last_pass.ended_at
    assert (person.last_pass.mode, person.last_pass.counts) == (SyncMode.FULL, Counts())
    assert person.last_pass.duration.total_seconds() >= 0
    assert (other.org, other.live, other.last_pass) == (OTHER_ORG, 1, None)
    assert status_rows(database, OTHER_ORG) == [other]


def test_a_query_reads(database: Database) -> None:
    result = run_query(database, "SELECT 1 AS one, 'a%b' AS text UNION ALL SELECT 2, NULL ORDER BY 1")
    assert result.columns == ("one", "text")
    assert result.rows == [(1, "a%b"), (2, None)]
    assert run_query(database, "SELECT %s || '%%'", ["'; --"]).rows == [("'; --%",)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("DELETE FROM sync.leases", "read-only transaction"),
        ("COMMIT; DELETE FROM sync.leases", "multiple commands"),
        ("SELECT nonsense", "does not exist"),
        ("SELEC 1", "syntax error"),
    ],
)
def test_a_query_that_writes_or_is_wrong_is_refused(database: Database, query: str, says: str) -> None:
    run(database, "INSERT INTO sync.leases VALUES ('o', 'a', 'e', 1, 'h')")
    with pytest.raises(UsageError, match=says):
        run_query(database, query)
    assert len(fetch(database, "SELECT FROM sync.leases")) == 1


def test_a_frame_has_a_row_a_live_record_and_typed_columns(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "a@x.org"), email("2", None), email("3", "gone@x.org")]))
        run(database, "UPDATE openfaith.emails SET deleted_at = now() WHERE address = 'gone@x.org'")
    with walking(database, SyncKey(OTHER_ORG, PCO, EMAIL)) as walk:
        walk.commit(batch([email("1", "theirs@x.org", org=OTHER_ORG)]))
    frame = read_frame(database, ORG, PCO, EMAIL)
    assert sorted(frame["id"]) == sorted([email("1").entity_id, email("2").entity_id])
    assert set(frame["address"].dropna()) == {"a@x.org"}
    types = frame.dtypes.astype(str)
    assert [types[name] for name in ("id", "address", "primary", "created_at", "custom_fields")] == [
        *("string", "string", "boolean", "datetime64[us, UTC]", "object"),
    ]
    assert frame["created_at"].iloc[0] == at(0)
    assert frame["custom_fields"].iloc[0] == {"pco_kind": "x"}


def test_an_empty_frame_has_the_same_types(database: Database) -> None:
    with walking(database, PEOPLE) as walk:
        walk.commit(batch([], entity=PERSON))
    frame = read_frame(database, ORG, PCO, PERSON)
    assert len(frame) == 0
    assert str(frame.dtypes["birthdate"]) == "datetime64[us]"


def test_a_date_long_ago_fits_a_frame(database: Database) -> None:
    with walking(database, PEOPLE) as walk:
        walk.commit(batch([], entity=PERSON))
    run(
        database,
        """INSERT INTO openfaith.people (org_id, adapter, type, external_id, id, content_hash, birthdate)
           VALUES (%s, 'pco', 'person', '1', 'p', '', '1000-01-31')""",
        ORG,
    )
    assert read_frame(database, ORG, PCO, PERSON)["birthdate"].iloc[0].date() == date(1000, 1, 31)


def test_an_entity_that_was_never_synced_is_named(database: Database) -> None:
    with pytest.raises(UsageError, match="pco/person has never been synced for first-baptist"):
        read_frame(database, ORG, PCO, EntityName("person"))
