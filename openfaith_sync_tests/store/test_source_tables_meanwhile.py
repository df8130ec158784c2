"""Tables are made while others make them, while workers write to them, and by whoever comes after a kill."""

import json
import multiprocessing
import os
import signal
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from openfaith_sync.domain.ids import ExternalId, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import build_mapper, map_batch
from openfaith_sync.domain.records.record import MappedBatch, RawRecord, Reference
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.manifests.source_tables import apply_manifest, ensure_applied, is_applied
from openfaith_sync_tests.added_entity import NOTE, read_with_note
from openfaith_sync_tests.store.making import PCO, fetch, walking
from openfaith_sync_tests.store.test_source_tables import columns_of, planned

FORK = multiprocessing.get_context("fork")
WORKERS = 4
ROWS_A_PAGE = 20


def notes(manifest: Manifest, org: OrgId, page: int, likes: Any) -> MappedBatch:
    """Return a page of notes as a worker with this manifest maps them."""
    mapper = build_mapper(manifest.entities[NOTE], org, PCO, manifest.entities)
    stamp = "2024-05-06T07:08:09Z"
    raws = [
        RawRecord(
            ExternalId(str(page * ROWS_A_PAGE + row)),
            {"note": f"Note {row}", "likes": likes, "created_at": stamp, "updated_at": stamp},
            {"person": Reference(ExternalId("7"), "Person")},
            {},
        )
        for row in range(ROWS_A_PAGE)
    ]
    batch = map_batch(mapper, NOTE, raws)
    assert not batch.rejected
    return batch


def write_until(
    database: Database, manifest: Manifest, org: OrgId, begun: Barrier, done: Event, wrote: list[int]
) -> None:
    """Write page after page, as a worker does; a few before the others go on, and a few after all is done."""
    with walking(database, SyncKey(org, PCO, NOTE)) as walk:
        page = left = 0
        while left < 3:
            walk.commit(notes(manifest, org, page, likes=page))
            page += 1
            if page == 3:
                begun.wait()
            left += done.is_set()
        walk.close()
    wrote.append(page * ROWS_A_PAGE)


def test_workers_write_on_while_a_column_is_added_and_another_changes_its_type(
    database: Database, tmp_path: Path
) -> None:
    older = ensure_tables(database, read_with_note(tmp_path, likes="{type: integer}"))
    begun, done, wrote = Barrier(WORKERS + 1), Event(), list[int]()
    workers = [
        Thread(target=write_until, args=(database, older, OrgId(f"org-{number}"), begun, done, wrote))
        for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    begun.wait()
    newer = ensure_tables(database, read_with_note(tmp_path, likes="{type: string}", mood="{type: string}"))
    done.set()
    for worker in workers:
        worker.join()
    # A worker that failed would have told of no rows.
    assert len(wrote) == WORKERS
    assert fetch(database, "SELECT count(*), count(likes), count(likes_as_text) FROM pco.notes") == [
        (sum(wrote), sum(wrote), 0)
    ]
    org = OrgId("org-0")
    with walking(database, SyncKey(org, PCO, NOTE)) as walk:
        walk.commit(notes(newer, org, 0, likes="many"))
    assert fetch(
        database,
        "SELECT likes, likes_as_text, note, person_id IS NOT NULL, custom_fields FROM pco.notes"
        " WHERE org_id = 'org-0' AND external_id = '0'",
    ) == [(0, "many", "Note 0", True, {})]


def apply_in_a_process(database: Database, manifest: Manifest, ready: Any) -> None:
    ready.wait()
    with database.connect_fleet() as connection:
        ensure_applied(connection, manifest)
        assert connection.execute("SELECT note FROM pco.notes").fetchall() == []


def test_processes_that_begin_at_once_make_the_tables_once(database: Database, tmp_path: Path) -> None:
    manifest = read_with_note(tmp_path)
    ready = FORK.Barrier(3)
    processes = [FORK.Process(target=apply_in_a_process, args=(database, manifest, ready)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert planned(database, manifest) == []
    with database.connect_fleet() as connection:
        assert is_applied(connection, manifest)


def be_killed_before(database: Database, manifest: Manifest, place: int) -> None:
    """Apply a manifest, and die before its statement of this number."""
    left = iter(range(place))

    def die(_: str) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    with database.connect_fleet() as connection:
        apply_manifest(connection, manifest, die)


# Before the first statement, inside the table, at its policies, between two tables, at the last.
@pytest.mark.parametrize("place", [0, 1, 8, 30, 36, -1])
def test_whoever_comes_after_a_kill_makes_the_rest(database: Database, tmp_path: Path, place: int) -> None:
    manifest = with_two_tables(tmp_path)
    count = len(planned(database, manifest))
    assert count > 40
    process = FORK.Process(target=be_killed_before, args=(database, manifest, place % count))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with database.connect_fleet() as connection:
        assert not is_applied(connection, manifest)
        # A table is there with its policies, or not at all.
        found = connection.execute(
            "SELECT relname, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid)"
            " FROM pg_class WHERE relnamespace = 'pco'::regnamespace AND relkind = 'r'"
        ).fetchall()
        assert all(row[1:] == (True, 2) for row in found)
        ensure_applied(connection, manifest)
        assert is_applied(connection, manifest)
    assert planned(database, manifest) == []
    assert columns_of(database, "pco.notes").keys() == columns_of(database, "pco.remarks").keys()


def with_two_tables(folder: Path) -> Manifest:
    manifest = read_with_note(folder)
    note = manifest.entities[NOTE]
    remark = note.model_copy(update={"name": "remark"})
    return manifest.model_copy(update={"entities": {**manifest.entities, remark.name: remark}})


def test_a_page_is_what_its_source_sent(database: Database, tmp_path: Path) -> None:
    types = {"hidden": "{type: boolean}", "likes": "{type: integer}", "score": "{type: float}", "extra": "{type: json}"}
    manifest = ensure_tables(database, read_with_note(tmp_path, day="{type: date}", **types))
    org = OrgId("grace")
    sent = {
        "note": "Hello", "hidden": True, "likes": 2**40, "score": 1.5, "extra": {"a": [1, None]}, "day": "2024-02-29",
        "display_date": "2024-05-06T07:08:09Z", "person_id": 7, "surprise": "x", "updated_at": "2024-05-06T07:08:09Z",
    }  # fmt: skip
    raw = RawRecord(ExternalId("1"), sent, {"person": Reference(ExternalId("7"), "Person")}, {})
    wrong = raw._replace(external_id=ExternalId("2"), attributes={**sent, "likes": "many", "day": "soon", "extra": 7})
    mapper = build_mapper(manifest.entities[NOTE], org, PCO, manifest.entities)
    batch = map_batch(mapper, NOTE, [raw, wrong])
    with walking(database, SyncKey(org, PCO, NOTE)) as walk:
        walk.commit(batch)
    rows = fetch(
        database,
        "SELECT note, hidden, likes, score, extra, day::text, display_date = source_version, pco_person_id,"
        " custom_fields FROM pco.notes ORDER BY external_id",
    )
    assert rows == [
        ("Hello", True, 2**40, 1.5, {"a": [1, None]}, "2024-02-29", True, "7", {"pco_surprise": "x"}),
        (
            *("Hello", True, None, 1.5, 7, None, True, "7"),
            {"pco_surprise": "x", "pco_likes": "many", "pco_day": "soon"},
        ),
    ]
    assert batch.records[1].unreadable == ("likes", "day")
    assert json.loads(batch.records[0].custom_fields) == {"pco_surprise": "x"}
