"""Lists below several parents are read at their whole paths; killed anywhere, and whatever is missing above them."""

import pytest

from openfaith_sync.domain.errors import SourceFailed
from openfaith_sync.domain.ids import ExternalId, OrgId
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync_tests.laws.nested_church import NOTE, PERSON, PLAN, TYPE, Killed, ServicesSync
from openfaith_sync_tests.store.making import fetch, run

LEVELS = (TYPE, PLAN, PERSON, NOTE)


def test_each_level_is_read_below_the_records_of_the_level_above(services: ServicesSync) -> None:
    results = services.sync_all(*LEVELS)
    for entity in LEVELS:
        assert services.live(entity) == services.truth(entity)
    assert [results[entity].requests for entity in (PLAN, PERSON, NOTE)] == [2, 6, 12]
    assert [services.sync(entity, SyncMode.DELTA).requests for entity in (PERSON, NOTE)] == [0, 0]


def test_what_left_a_list_is_read_at_its_whole_path_before_it_is_deleted(services: ServicesSync) -> None:
    services.sync_all(*LEVELS)
    del services.source.rows[NOTE]["40019"]
    assert services.sync(NOTE, SyncMode.RECONCILIATION).report["confirmed_by_read"] == 1
    assert (NOTE, "40019") in services.source.reads
    assert services.live(NOTE) == services.truth(NOTE)


def test_a_parent_without_a_known_path_is_never_read_and_is_counted(services: ServicesSync) -> None:
    services.sync_all(*LEVELS)
    before = services.live(NOTE)
    run(services.database, "DELETE FROM pco.service_types WHERE external_id = '41'")
    for mode in (SyncMode.FULL, SyncMode.RECONCILIATION):
        result = services.sync(NOTE, mode)
        assert (result.report["parents_without_path"], result.report["parents_read"]) == (6, 6)
        assert (result.report["missing"], result.counts.tombstoned) == (0, 0)
        assert services.live(NOTE) == before


def test_a_candidate_below_a_parent_without_a_known_path_is_kept(services: ServicesSync) -> None:
    services.sync_all(*LEVELS)
    del services.source.rows[NOTE]["41019"]
    run(
        services.database,
        "INSERT INTO sync.deletion_candidates"
        " (org_id, adapter, entity, external_id, parent_id, first_pass_id, last_pass_id, times_missed)"
        " VALUES ('grace', 'pco', 'plan_person_note', '41019', '4101', 1, 1, 5)",
    )
    run(services.database, "UPDATE sync.parent_listings SET listed = '{}' WHERE parent_id = '4101'")
    run(services.database, "DELETE FROM pco.service_types WHERE external_id = '41'")
    result = services.sync(NOTE, SyncMode.RECONCILIATION)
    assert (result.counts.tombstoned, result.report["still_candidates"]) == (0, 1)
    assert (NOTE, "41019") not in services.source.reads
    assert "41019" in services.live(NOTE)


def test_lists_that_all_answer_404_delete_nothing_at_any_depth(services: ServicesSync) -> None:
    services.sync_all(*LEVELS)
    set_org(services.database, services.org, deletion_count=10_000, deletion_share=1)
    before = services.live(NOTE)
    services.source.failing = {NOTE}
    for mode in (SyncMode.FULL, SyncMode.RECONCILIATION):
        with pytest.raises(SourceFailed):
            services.sync(NOTE, mode)
    # Nor do they where every record above them answers 404 as well.
    rows = services.source.rows
    services.source.rows = {TYPE: rows[TYPE]}
    with pytest.raises(SourceFailed):
        services.sync(NOTE, SyncMode.FULL)
    services.source.failing, services.source.rows = set(), rows
    services.sync(NOTE, SyncMode.FULL)
    assert services.live(NOTE) == before == services.truth(NOTE)


def test_what_hangs_below_a_deleted_parent_goes_with_it_at_each_level(services: ServicesSync) -> None:
    services.sync_all(*LEVELS)
    rows = services.source.rows
    for entity in (PLAN, PERSON, NOTE):
        rows[entity] = {one: row for one, row in rows[entity].items() if not one.startswith("400")}
    services.sync_all(*LEVELS, mode=SyncMode.RECONCILIATION)
    for entity in LEVELS:
        assert services.live(entity) == services.truth(entity)


def test_an_event_reads_its_record_at_its_whole_path(services: ServicesSync) -> None:
    services.sync_all(*LEVELS)
    services.source.put(NOTE, "40019", name="Changed")
    event = InboxEvent("1", "note.updated", NOTE, ExternalId("40019"), EventAction.UPDATED)
    receive(services.database, services.org, services.manifest.adapter, [event])
    with services.session() as session:
        result = run_records(session)
    assert (result.events, result.counts[NOTE].updated) == (1, 1)


def test_an_event_below_a_parent_without_a_known_path_is_left_to_the_reconciliation(services: ServicesSync) -> None:
    services.sync_all(*LEVELS)
    run(services.database, "DELETE FROM pco.service_types WHERE external_id = '40'")
    event = InboxEvent("1", "note.updated", NOTE, ExternalId("40019"), EventAction.DESTROYED)
    receive(services.database, services.org, services.manifest.adapter, [event])
    with services.session() as session:
        result = run_records(session)
    assert (result.events, result.requests) == (1, 0)
    assert "40019" in services.live(NOTE)


def test_killed_at_every_step_it_reads_at_most_one_list_again(services: ServicesSync) -> None:
    services.sync_all(TYPE, PLAN, PERSON)
    steps = 0

    def count(_: str) -> None:
        nonlocal steps
        steps += 1

    services.on_step = count
    services.sync(NOTE)
    whole = steps
    expected = services.live(NOTE)
    assert expected == services.truth(NOTE)
    for kill_at in range(1, whole + 1, 11):
        for table in ("pco.plan_person_notes",):
            run(services.database, f"DELETE FROM {table}")
        for table in ("parent_listings", "checkpoints", "passes"):
            run(services.database, f"DELETE FROM sync.{table} WHERE entity = 'plan_person_note'")
        taken = 0

        def kill(_: str, at: int = kill_at) -> None:
            nonlocal taken
            taken += 1
            if taken == at:
                raise Killed

        services.on_step = kill
        with pytest.raises(Killed):
            services.sync(NOTE)
        read = len(services.source.queries)
        services.on_step = None
        services.sync(NOTE)
        assert services.live(NOTE) == expected, f"killed at step {kill_at}"
        # As many as were under way.
        again = read + len(services.source.queries) - 12
        assert again <= services.manifest.adapter_file.paging.pages_in_flight, f"killed at step {kill_at}"


def test_orgs_with_the_same_ids_never_meet(services: ServicesSync) -> None:
    services.sync_all(*LEVELS)
    other = services.of_org(OrgId("hope"))
    assert other.sync(NOTE).requests == 0
    other.sync_all(TYPE, PLAN, PERSON)
    run(services.database, "DELETE FROM pco.service_types WHERE org_id = 'hope'")
    assert other.sync(NOTE, SyncMode.FULL).report["parents_without_path"] == 12
    assert other.live(NOTE) == set()
    assert services.live(NOTE) == services.truth(NOTE)
    assert fetch(services.database, "SELECT DISTINCT org_id FROM sync.parent_listings WHERE entity = %s", NOTE) == [
        ("grace",)
    ]
