"""One bad record is one dead letter, whoever finds it bad, and the page goes on (law 5)."""

from dataclasses import replace

import pytest

from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.domain.records.record import Record
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import EMAIL, at, batch, email, fetch, rejection, run, walking

LETTERS = """
SELECT external_id, raw, field, value_type, reason, manifest_version, occurrences, resolved_at IS NOT NULL
FROM sync.dead_letters ORDER BY external_id
"""


def stored(database: Database) -> set[str]:
    return {row[0] for row in fetch(database, "SELECT external_id FROM openfaith.emails")}


def test_a_rejected_record_is_set_aside_with_everything_about_it(database: Database) -> None:
    with walking(database) as walk:
        assert walk.commit(batch([email("1")], [rejection("2")])) == {EMAIL: Counts(created=1, dead=1)}
        walk.commit(batch([], [rejection("2", "still wrong")]))
    raw = {"id": "2", "type": "Email"}
    assert fetch(database, LETTERS) == [("2", raw, "created_at", "string", "still wrong", "m1", 2, False)]
    assert fetch(database, "SELECT dead FROM sync.passes") == [(2,)]


def test_what_postgresql_cannot_hold_does_not_keep_a_dead_letter_out(database: Database) -> None:
    bad = replace(rejection("2\0"), body={"a\0": ["\ud800", "C:\\u0000"], 'q"': "\\"}, reason="found '\0'")
    with walking(database) as walk:
        walk.commit(batch([], [bad]))
    assert fetch(database, "SELECT external_id, raw FROM sync.dead_letters") == [
        ("2\ufffd", {"a\ufffd": ["\ufffd", "C:\\u0000"], 'q"': "\\"})
    ]


def test_the_same_record_rejected_twice_on_a_page_is_one_letter(database: Database) -> None:
    with walking(database) as walk:
        assert walk.commit(batch([], [rejection("2"), rejection("2")])) == {EMAIL: Counts(dead=2)}
    assert len(fetch(database, LETTERS)) == 1


@pytest.mark.parametrize("already_stored", [False, True])
def test_a_dead_letter_is_resolved_when_its_record_maps_and_opened_when_it_fails_again(
    database: Database, already_stored: bool
) -> None:
    with walking(database) as walk:
        if already_stored:
            walk.commit(batch([email("1")]))
        walk.commit(batch([], [rejection("1"), rejection("2")]))
        walk.commit(batch([email("1")]))
        assert [row[-1] for row in fetch(database, LETTERS)] == [True, False]
        walk.commit(batch([], [rejection("1")]))
        assert [row[-1] for row in fetch(database, LETTERS)] == [False, False]


def bad_email(kind: str, external_id: str) -> Record:
    record = email(external_id, "bad@x.org")
    if kind == "nul":
        return email(external_id, "nul \0 inside")
    if kind == "surrogate":
        return email(external_id, "\ud800")
    if kind == "not json":
        return record._replace(custom_fields=b"{")
    if kind == "nul in json":
        return record._replace(custom_fields=b'{"a":"\\u0000"}')
    values = {
        "status": (*record.values[:5], "asleep", *record.values[6:]),
        "type": (*record.values[:3], "maybe", *record.values[4:]),
    }
    return record._replace(values=values[kind])


@pytest.mark.parametrize("kind", ["nul", "surrogate", "not json", "nul in json", "status", "type"])
def test_a_record_that_the_database_refuses_becomes_a_dead_letter_and_the_others_are_stored(
    database: Database, kind: str
) -> None:
    good = [email(str(number), f"{number}@x.org") for number in range(7)]
    with walking(database) as walk:
        counts = walk.commit(batch([*good[:3], bad_email(kind, "bad"), *good[3:]], [rejection("mapped")]))
        assert counts == {EMAIL: Counts(created=7, dead=2)}
        opened = walk.store.load_checkpoint(walk.lease.key).open_pass
        assert opened is not None
        assert opened.counts == counts[EMAIL]
        assert walk.commit(batch([email("8", "after@x.org")])) == {EMAIL: Counts(created=1)}
    assert stored(database) == {"0", "1", "2", "3", "4", "5", "6", "8"}
    letters = fetch(database, "SELECT external_id, raw ->> 'id', reason FROM sync.dead_letters ORDER BY external_id")
    assert [letter[:2] for letter in letters] == [("bad", "bad"), ("mapped", "mapped")]
    assert "the database refuses it" in letters[0][2]
    assert fetch(database, "SELECT pages, dead FROM sync.passes") == [(2, 2)]


def test_several_refused_records_are_found_each(database: Database) -> None:
    records = [bad_email("status", "x"), email("1", "1@x.org"), bad_email("type", "y"), bad_email("nul", "z")]
    with walking(database) as walk:
        assert walk.commit(batch(records)) == {EMAIL: Counts(created=1, dead=3)}
    assert {row[0] for row in fetch(database, LETTERS)} == {"x", "y", "z"}


def test_a_refused_newer_version_leaves_the_stored_one(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "good@x.org")]))
        walk.commit(batch([bad_email("status", "1")._replace(version=at(1))]))
        run(database, "SELECT 1")
    assert fetch(database, "SELECT address FROM openfaith.emails") == [("good@x.org",)]
