"""A page's records end up as rows and links, and every record read is counted once."""

import random
import re
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName, OrgId, SyncKey, derive_entity_id
from openfaith_sync.domain.passes.passes import Counts, PassStart
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.pages.page_sql import store_records
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.store.making import (
    EMAIL,
    EMAILS,
    FULL,
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

ROWS = "SELECT address FROM openfaith.emails WHERE org_id = %s AND deleted_at IS NULL ORDER BY id"
# Where a row version lies, which transaction wrote it and which last locked it.
VERSIONS = """
SELECT 'row', id, ctid::text, xmin::text, xmax::text FROM openfaith.emails
"""


def addresses(database: Database, org: OrgId = ORG) -> list[str]:
    return sorted(row[0] for row in fetch(database, ROWS, org))


def test_new_records_are_created_with_their_links(database: Database) -> None:
    with walking(database) as walk:
        counts = walk.commit(batch([email("1", "a@x.org"), email("2", "b@x.org")]))
        assert counts == {EMAIL: Counts(created=2)}
        assert walk.store.count_live(EMAILS) == 2
    assert addresses(database) == ["a@x.org", "b@x.org"]
    identities = fetch(database, "SELECT adapter, type, external_id, id FROM openfaith.emails ORDER BY external_id")
    assert identities == [("pco", "email", one, email(one).entity_id) for one in "12"]


def test_every_column_is_stored_as_it_was_given(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "a@x.org", at(3))]))
    found = fetch(
        database,
        """SELECT id, org_id, type, person_id, address, location, "primary", blocked, status, tags, custom_fields,
                  created_at, updated_at, inactivated_at, deleted_at FROM openfaith.emails""",
    )
    person = derive_entity_id(ORG, PCO, PERSON, "1")
    own = (email("1").entity_id, ORG, "email", person, "a@x.org", "Home", True, False)
    assert found == [(*own, "active", [], {"pco_kind": "x"}, at(0), at(3), None, None)]


@pytest.mark.parametrize(
    "text",
    ['say "hi"', "back\\slash", "two\nlines\tand\x07bell", "{a,b}", "NULL", "null", "", "ünï 🎉", "\\N", "'; --"],
)
def test_any_text_survives(database: Database, text: str) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", text), email("2", "plain"), email("3", None)]))
    stored = dict(fetch(database, "SELECT external_id, address FROM openfaith.emails"))
    assert stored == {"1": text, "2": "plain", "3": None}


def test_an_unset_status_counts_as_active(database: Database) -> None:
    record = email("1")
    values = tuple(None if value == "active" else value for value in record.values)
    with walking(database) as walk:
        walk.commit(
            batch([type(record)(record.external_id, record.entity_id, record.version, values, b"{}", b"h" * 16)])
        )
    assert fetch(database, "SELECT status FROM openfaith.emails") == [("active",)]


def test_equal_content_writes_and_locks_nothing(database: Database) -> None:
    records = [email("1", "a@x.org"), email("2", "b@x.org")]
    with walking(database) as walk:
        walk.commit(batch(records))
        before = sorted(fetch(database, VERSIONS))
        assert walk.commit(batch(records)) == {EMAIL: Counts(unchanged=2)}
        assert sorted(fetch(database, VERSIONS)) == before


def test_an_older_version_writes_and_locks_nothing(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "new@x.org", at(5))]))
        before = sorted(fetch(database, VERSIONS))
        assert walk.commit(batch([email("1", "old@x.org", at(4))])) == {EMAIL: Counts(unchanged=1)}
        assert sorted(fetch(database, VERSIONS)) == before
    assert addresses(database) == ["new@x.org"]


@pytest.mark.parametrize(("held", "given"), [(at(1), at(2)), (at(1), at(1)), (None, at(1)), (None, None)])
def test_a_newer_equal_or_unknown_version_of_other_content_is_stored(
    database: Database, held: datetime | None, given: datetime | None
) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "first@x.org", held)]))
        assert walk.commit(batch([email("1", "second@x.org", given)])) == {EMAIL: Counts(updated=1)}
    assert addresses(database) == ["second@x.org"]


def test_a_record_without_its_version_is_stored_when_nobody_wrote_to_it_since_the_pass_began(
    database: Database,
) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "old@example.org", at(5))]))
    with walking(database) as walk:
        walk.commit(batch([email("1", "new@example.org", None)]))
        walk.commit(batch([email("1", "older@example.org", at(4))]))
    held = "SELECT address, source_version FROM openfaith.emails"
    assert fetch(database, held) == [("new@example.org", at(5))]
    assert fetch(database, "SELECT count(*) FROM sync.webhook_events") == [(0,)]


def test_a_record_without_its_version_never_overwrites_what_came_after_its_pass_began(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "newer@example.org", at(5)), email("2", "same@example.org", at(5))]))
        given = [email("1", "perhaps@example.org", None), email("2", "same@example.org", None)]
        assert walk.commit(batch(given)) == {EMAIL: Counts(unchanged=2)}
    assert fetch(database, "SELECT address FROM openfaith.emails ORDER BY address") == [
        ("newer@example.org",),
        ("same@example.org",),
    ]
    # It is read once more, and only the one that differs.
    waiting = fetch(database, "SELECT name, external_id, action FROM sync.webhook_events")
    assert waiting == [("conflict", "1", "check")]


def test_values_that_could_not_be_read_are_counted_on_the_pass_of_their_entity(database: Database) -> None:
    bad = [email(number)._replace(unreadable=("blocked", "primary")) for number in "12"]
    with walking(database, PEOPLE, riders(EMAIL)) as walk:
        walk.commit(batch([], entity=PERSON), batch([*bad, email("3")._replace(unreadable=("blocked",))]))
    reports = dict(fetch(database, "SELECT entity, report FROM sync.passes"))
    assert reports[PERSON] is None
    assert reports[EMAIL] == {
        "unreadable_values": 5,
        "unreadable_values_of_blocked": 3,
        "unreadable_values_of_primary": 2,
    }


def test_a_newer_version_of_equal_content_guards_against_what_came_between(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "a@x.org", at(1))]))
        assert walk.commit(batch([email("1", "a@x.org", at(3))])) == {EMAIL: Counts(unchanged=1)}
        assert walk.commit(batch([email("1", "between@x.org", at(2))])) == {EMAIL: Counts(unchanged=1)}
    assert addresses(database) == ["a@x.org"]


def test_a_tombstoned_record_that_reappears_is_undeleted(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "a@x.org")]))
        run(database, "UPDATE openfaith.emails SET deleted_at = now()")
        assert walk.store.count_live(EMAILS) == 0
    with walking(database) as walk:
        assert walk.commit(batch([email("1", "a@x.org")])) == {EMAIL: Counts(updated=1)}
        assert walk.store.count_live(EMAILS) == 1
    assert addresses(database) == ["a@x.org"]


def test_of_a_record_twice_on_a_page_the_newest_is_stored_and_both_are_counted(database: Database) -> None:
    with walking(database) as walk:
        twice = [email("1", "new@x.org", at(2)), email("2", "b@x.org"), email("1", "old@x.org", at(1))]
        assert walk.commit(batch(twice)) == {EMAIL: Counts(created=2, unchanged=1)}
    assert addresses(database) == ["b@x.org", "new@x.org"]


def test_riders_are_stored_with_the_page_and_counted_in_their_own_pass(database: Database) -> None:
    with walking(database, PEOPLE, riders(EMAIL)) as walk:
        counts = walk.commit(batch([], entity=PERSON), batch([email("1")], [rejection("2")]))
        assert counts == {PERSON: Counts(), EMAIL: Counts(created=1, dead=1)}
    passes = fetch(database, "SELECT entity, created, dead, pages FROM sync.passes ORDER BY pass_id")
    assert passes == [("person", 0, 0, 1), ("email", 1, 1, 0)]


def test_a_page_must_be_of_its_lease_and_name_known_riders_once(database: Database) -> None:
    with walking(database, PEOPLE) as walk:
        for wrong in ([batch([email("1")])], [batch([], entity=PERSON), batch([email("1")])], []):
            with pytest.raises(DefinitionError):
                walk.commit(*wrong)
    assert addresses(database) == []


def test_a_page_of_a_pass_that_is_not_open_is_refused(database: Database) -> None:
    with walking(database) as walk:
        walk.close()
        with pytest.raises(DefinitionError, match="no open pass"):
            walk.commit(batch([email("1")]))
    assert addresses(database) == []


def test_equal_external_ids_in_two_orgs_never_meet(database: Database) -> None:
    theirs = SyncKey(OTHER_ORG, PCO, EMAIL)
    with walking(database) as ours, walking(database, theirs) as walk:
        ours.commit(batch([email("1", "ours@x.org"), email("2", "ours2@x.org")]))
        older_than_ours = email("1", "theirs@x.org", at(-9), org=OTHER_ORG)
        assert walk.commit(batch([older_than_ours], [rejection("2")])) == {EMAIL: Counts(created=1, dead=1)}
        ours.commit(batch([email("2", "ours2@x.org")]))
        assert (walk.store.count_live(theirs), ours.store.count_live(EMAILS)) == (1, 2)
    assert addresses(database) == ["ours2@x.org", "ours@x.org"]
    assert addresses(database, OTHER_ORG) == ["theirs@x.org"]
    assert fetch(database, "SELECT org_id, resolved_at FROM sync.dead_letters") == [(OTHER_ORG, None)]


def wait_for_a_blocked_session(database: Database) -> None:
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while fetch(database, blocked) == [(0,)]:
        pass


def test_an_older_version_that_waited_for_a_newer_ones_lock_is_left_out(database: Database) -> None:
    """It saw neither before it waited, so only the comparison under the lock can tell."""
    late: list[Future[Mapping[EntityName, Counts]]] = []

    def let_the_older_wait(step: str) -> None:
        if step == "commit":
            late.append(threads.submit(own.commit, batch([email("1", "older@x.org", at(1)), email("2")])))
            wait_for_a_blocked_session(database)

    with (
        ThreadPoolExecutor(1) as threads,
        walking(database) as own,
        walking(database, PEOPLE, riders(EMAIL), let_the_older_wait) as parent,
    ):
        parent.commit(batch([], entity=PERSON), batch([email("1", "newer@x.org", at(2))]))
        assert late[0].result() == {EMAIL: Counts(created=1, unchanged=1)}
    assert "newer@x.org" in addresses(database)


def commit_shuffled(database: Database, key: SyncKey, start: PassStart, seed: int) -> None:
    """Commit the same thirty records page by page, in many versions and any order."""
    dice = random.Random(seed)
    with walking(database, key, start) as walk:
        for _ in range(40):
            minutes = {number: dice.randrange(1000) for number in dice.sample(range(30), 20)}
            some = [email(str(number), f"{number}-{minute}", at(minute)) for number, minute in minutes.items()]
            walk.commit(*([batch([], entity=PERSON)] if key == PEOPLE else []), batch(some))


def test_two_workers_that_write_the_same_records_neither_block_for_good_nor_go_back(database: Database) -> None:
    ways = [(PEOPLE, riders(EMAIL), 1), (EMAILS, FULL, 2)]
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(commit_shuffled, database, *way) for way in ways]:
            done.result()
    newest: dict[int, int] = {}
    for dice in (random.Random(1), random.Random(2)):
        for _ in range(40):
            for number in dice.sample(range(30), 20):
                newest[number] = max(newest.get(number, 0), dice.randrange(1000))
    assert addresses(database) == sorted(f"{number}-{minute}" for number, minute in newest.items())


def test_a_key_of_another_org_is_refused(database: Database) -> None:
    with open_store(database, OTHER_ORG) as store, pytest.raises(DefinitionError, match="asked of the store of"):
        store.load_checkpoint(EMAILS)


def test_a_page_is_joined_with_the_stored_rows_by_hash_and_never_row_by_row(database: Database) -> None:
    # The planner cannot know a page's size. When it takes a condition to leave nothing, it joins
    # a hundred records with a hundred rows pair by pair, which costs half the speed of a page.
    with open_store(database, ORG) as store:
        for name, table in CANONICAL_TABLES.items():
            numbers: dict[str, str] = {}

            def number(found: re.Match[str], numbers: dict[str, str] = numbers) -> str:
                return numbers.setdefault(found[1], f"${len(numbers) + 1}")

            statement = re.sub(r"%\((\w+)\)s", number, store_records(table).decode())
            plan = store._connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement}".encode()).fetchall()
            assert [line for (line,) in plan if "Join Filter" in line] == [], name
            assert sum("Hash Join" in line for (line,) in plan) >= 2, name
