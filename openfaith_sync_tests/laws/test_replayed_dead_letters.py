"""Law 5: a corrected manifest stores what was set aside, without a request, by the rules of every page."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.dead_letters.dead_letter import LetterFilter
from openfaith_sync.domain.dead_letters.replays import ReplayCounts
from openfaith_sync.domain.errors import LeaseHeld, LeaseLost, SourceFailed
from openfaith_sync.domain.ids import (
    RECORDS,
    UNIDENTIFIED,
    EntityId,
    EntityName,
    ExternalId,
    OrgId,
    derive_entity_id,
    merges_of,
    replays_of,
)
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.pass_notes import remarks
from openfaith_sync.domain.passes.passes import PageCommit, Tombstone
from openfaith_sync.domain.records.merges import Merge, MergeCommit, references_to
from openfaith_sync.domain.records.record import Rejection
from openfaith_sync.engine.dead_letters import replay as replaying
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.probe import probe_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.set_aside import EMAIL, MEMBER, Down, Empty, SetAside, altered, email, member, mistaken

PERSON = EntityName("person")
ALL = LetterFilter()
_numbers = itertools.count()

Church = Callable[..., SetAside]


class Stop(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def church(module_database: Database, pco_manifest: Manifest) -> Church:
    """Makes churches, each an org of its own in one database."""

    def make(entity: EntityName = EMAIL) -> SetAside:
        return SetAside(module_database, OrgId(f"church-{next(_numbers)}"), pco_manifest, entity)

    return make


def replay(of: SetAside, manifest: Manifest | None = None, chosen: LetterFilter = ALL) -> ReplayCounts:
    with of.open() as store:
        return of.replay(store, manifest).run(of.entity, chosen)


def test_a_corrected_manifest_empties_the_dead_letters(church: Church, pco_manifest: Manifest) -> None:
    grace = church()
    grace.commit(*(email(number) for number in range(1, 251)), manifest=mistaken(pco_manifest))
    assert (len(grace.waiting()), grace.rows()) == (250, {})
    with grace.open() as store:
        assert grace.replay(store).run(EMAIL, ALL) == ReplayCounts(created=250, pages=3)
    assert (grace.waiting(), len(grace.rows())) == (set(), 250)
    # A page that brings the same records finds nothing to write.
    grace.commit(*(email(number) for number in range(1, 251)))
    assert grace.fetch("SELECT updated, unchanged FROM sync.passes ORDER BY pass_id DESC LIMIT 1") == [(0, 250)]
    assert replay(grace) == ReplayCounts()


def test_those_that_fail_again_stay_with_the_reason_of_now(church: Church, pco_manifest: Manifest) -> None:
    grace = church()
    nobodys = email(2)
    nobodys["relationships"]["person"]["data"] = None
    grace.commit(email(1), nobodys, manifest=mistaken(pco_manifest))
    before = grace.fetch("SELECT reason, occurrences, last_seen_at, raw FROM sync.dead_letters WHERE external_id = '2'")
    assert replay(grace) == ReplayCounts(created=1, failed=1, pages=1)
    ((reason, *rest),) = grace.fetch(
        "SELECT reason, occurrences, last_seen_at, raw FROM sync.dead_letters WHERE resolved_at IS NULL"
    )
    assert (before[0][0], reason) == ("expected a reference to a Persona", "expected a reference to a Person")
    assert list(before[0][1:]) == rest
    version = pco_manifest.entity_fingerprint(EMAIL)
    assert grace.fetch("SELECT manifest_version FROM sync.dead_letters WHERE external_id = '2'") == [(version,)]


def test_a_sync_under_a_changed_manifest_replays_before_it_asks_the_source(
    church: Church, pco_manifest: Manifest
) -> None:
    grace, source = church(), Down(pco_manifest)
    grace.commit(email(1), manifest=mistaken(pco_manifest))
    with grace.open() as store:
        session = Session(pco_manifest, source, store, grace.org)
        assert probe_entity(session, EMAIL).has_work
        with pytest.raises(SourceFailed):
            run_entity(session, EMAIL)
    assert (grace.waiting(), set(grace.rows())) == (set(), {"1"})


def test_a_sync_says_what_it_replayed(church: Church, pco_manifest: Manifest) -> None:
    grace, source = church(), Empty(pco_manifest)
    nobodys = email(2)
    nobodys["relationships"]["person"]["data"] = None
    grace.commit(email(1), nobodys, manifest=mistaken(pco_manifest))
    with grace.open() as store:
        session = Session(pco_manifest, source, store, grace.org)
        first = run_entity(session, EMAIL)
        assert run_entity(session, EMAIL).report.keys().isdisjoint(first.report)
    assert list(remarks(first.report)) == [
        "2 dead letters mapped again, since the manifest changed",
        "1 of them stored",
    ]
    assert (first.stored_count, grace.waiting()) == (1, {"2"})


def test_what_a_changed_manifest_cannot_map_either_is_replayed_once(church: Church, pco_manifest: Manifest) -> None:
    grace, still = church(), mistaken(pco_manifest)
    other = altered(still, EMAIL, description="Another description.")
    grace.commit(email(1), manifest=still)
    with grace.open() as store:
        session = Session(other, Down(other), store, grace.org)
        for failed in (1, 0):
            assert replaying.replay_outdated(session, EMAIL).failed == failed
    assert grace.waiting() == {"1"}


def test_a_sync_replays_a_bounded_number_and_says_that_more_wait(
    church: Church, pco_manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "LETTERS_A_PAGE", 2)
    monkeypatch.setattr(replaying, "PAGES_WITH_A_SYNC", 2)
    grace = church()
    grace.commit(*(email(number) for number in range(1, 7)), manifest=mistaken(pco_manifest))
    with grace.open() as store:
        session = Session(pco_manifest, Down(pco_manifest), store, grace.org)
        assert replaying.replay_outdated(session, EMAIL) == ReplayCounts(created=4, pages=2, is_unfinished=True)
        assert probe_entity(session, EMAIL).has_work
        assert replaying.replay_outdated(session, EMAIL) == ReplayCounts(created=2, pages=1)
        assert replaying.replay_outdated(session, EMAIL) == ReplayCounts()


def test_an_older_letter_never_overwrites_a_newer_row(church: Church, pco_manifest: Manifest) -> None:
    grace = church()
    with grace.open() as walking, grace.open() as reading:
        # The page was read before the record changed, and is committed after the change is.
        commit = grace.begin(walking, email(1, 5, "old@example.org"), manifest=mistaken(pco_manifest))
        grace.begin(reading, email(1, 9, "new@example.org"), of=RECORDS)()
        commit()
    assert grace.waiting() == {"1"}
    assert replay(grace) == ReplayCounts(unchanged=1, pages=1)
    assert (grace.rows()["1"][0], grace.waiting()) == ("new@example.org", set())


def test_without_versions_what_was_written_since_stays_and_is_read_again(
    church: Church, pco_manifest: Manifest
) -> None:
    grace, wrong = church(MEMBER), altered(pco_manifest, MEMBER, resource="Member")
    grace.commit(member(1, 1), member(2, 2), parent="7")
    with grace.open() as walking, grace.open() as reading:
        commit = grace.begin(walking, member(1, 11), member(2, 12), manifest=wrong, parent="7")
        grace.begin(reading, member(2, 22), of=RECORDS, parent="7")()
        commit()
    # The former manifest could read neither id.
    assert {letter[: len(UNIDENTIFIED)] for letter in grace.waiting()} == {UNIDENTIFIED}
    assert replay(grace) == ReplayCounts(updated=1, unchanged=1, pages=1)
    people = [derive_entity_id(grace.org, pco_manifest.adapter, PERSON, str(number)) for number in (11, 22)]
    assert [grace.rows()[number][0] for number in ("1", "2")] == people
    assert grace.fetch("SELECT external_id, action FROM sync.webhook_events") == [("2", "check")]
    assert grace.waiting() == set()


def test_a_record_that_was_found_gone_since_stays_gone_and_is_read_again(
    church: Church, pco_manifest: Manifest
) -> None:
    grace = church()
    tombstone = Tombstone(EMAIL, CANONICAL_TABLES["emails"], ExternalId("1"), EntityId("email_1"))
    with grace.open() as walking, grace.open() as reading:
        commit = grace.begin(walking, email(1, 5), manifest=mistaken(pco_manifest))
        grace.begin(reading, of=RECORDS, changed=lambda page: replace(page, tombstones=(tombstone,)))()
        commit()
    assert replay(grace) == ReplayCounts(unchanged=1, pages=1)
    assert (grace.rows(), grace.waiting()) == ({}, set())
    assert grace.fetch("SELECT external_id, action FROM sync.webhook_events") == [("1", "check")]


def test_a_newer_raw_record_that_came_meanwhile_stays_a_dead_letter(church: Church, pco_manifest: Manifest) -> None:
    grace, wrong = church(), mistaken(pco_manifest)
    nobodys = email(2)
    nobodys["relationships"]["person"]["data"] = None
    grace.commit(email(1, 1), nobodys, manifest=wrong)

    def meanwhile(step: str) -> None:
        if step == "begin":
            grace.commit(email(1, 2, "newer@example.org"), email(2, 2), manifest=wrong)

    with grace.open(meanwhile) as store:
        grace.replay(store).run(EMAIL, ALL)
    assert grace.waiting() == {"1", "2"}
    assert {row[0] for row in grace.fetch("SELECT reason FROM sync.dead_letters")} == {
        "expected a reference to a Persona"
    }
    assert replay(grace) == ReplayCounts(created=1, updated=1, pages=1)
    assert grace.rows()["1"][0] == "newer@example.org"


STEPS = ("begin", "check_lease", "store_records", "resolve_dead_letters", "store_dead_letters", "advance", "commit")


def test_killed_at_any_step_it_ends_as_if_it_had_not_been(church: Church, pco_manifest: Manifest) -> None:
    nobodys = email(2)
    nobodys["relationships"]["person"]["data"] = None
    for step in (*STEPS, "committed"):
        grace, told = church(), list[str]()
        grace.commit(email(1), nobodys, manifest=mistaken(pco_manifest))

        def stop(now: str, told: list[str] = told, step: str = step) -> None:
            told.append(now)
            if now == step:
                raise Stop

        with pytest.raises(Stop), grace.open(stop) as store:
            grace.replay(store).run(EMAIL, ALL)
        assert told == [*STEPS, "committed"][: len(told)]
        is_whole = step == "committed"
        assert (grace.waiting(), set(grace.rows())) == (({"2"}, {"1"}) if is_whole else ({"1", "2"}, set())), step
        replay(grace)
        assert (grace.waiting(), set(grace.rows())) == ({"2"}, {"1"})
        reasons = grace.fetch("SELECT reason FROM sync.dead_letters WHERE resolved_at IS NULL")
        assert reasons == [("expected a reference to a Person",)]


def test_a_worker_that_lost_its_lease_replays_nothing(church: Church, pco_manifest: Manifest) -> None:
    grace = church()
    grace.commit(email(1), manifest=mistaken(pco_manifest))

    def take_over(step: str) -> None:
        if step == "begin":
            grace.fetch("UPDATE sync.leases SET token = token + 1 RETURNING token")

    with pytest.raises(LeaseLost), grace.open(take_over) as store:
        grace.replay(store).run(EMAIL, ALL)
    assert (grace.waiting(), grace.rows()) == ({"1"}, {})


def test_one_worker_replays_an_entity_at_a_time_and_a_walk_goes_on(church: Church, pco_manifest: Manifest) -> None:
    grace = church()
    grace.commit(email(1), manifest=mistaken(pco_manifest))
    with grace.open() as walking, grace.open() as other:
        commit = grace.begin(walking, email(3))
        with other.hold_lease(replace(grace.key, entity=replays_of(EMAIL)), "another"):
            with pytest.raises(LeaseHeld):
                replay(grace)
            session = Session(pco_manifest, Down(pco_manifest), walking, grace.org)
            assert replaying.replay_outdated(session, EMAIL) == ReplayCounts()
        assert replay(grace).created == 1
        commit()
    assert set(grace.rows()) == {"1", "3"}


def test_a_letter_may_refer_to_a_person_who_was_merged_since(church: Church, pco_manifest: Manifest) -> None:
    grace = church()
    grace.commit(email(1), manifest=mistaken(pco_manifest))
    merge = MergeCommit(
        PERSON,
        CANONICAL_TABLES["people"],
        (Merge(kept=ExternalId("8"), removed=ExternalId("1"), merged_at=None),),
        references_to(pco_manifest, PERSON),
    )
    with grace.open() as store, store.hold_lease(replace(grace.key, entity=merges_of(PERSON)), "a test") as lease:
        store.commit_merges(lease, merge)
    assert replay(grace).created == 1
    kept = derive_entity_id(grace.org, pco_manifest.adapter, PERSON, "8")
    assert grace.fetch("SELECT person_id FROM openfaith.emails") == [(kept,)]


def set_aside(page: PageCommit, rejected: Rejection) -> PageCommit:
    return replace(page, batches=(replace(page.batches[0], rejected=(rejected,)),))


def test_what_was_not_read_whole_is_never_mapped(church: Church, pco_manifest: Manifest) -> None:
    grace, wrong = church(), mistaken(pco_manifest)
    stub = {"type": "Email", "id": "1", "attributes": {"updated_at": email(1, 9)["attributes"]["updated_at"]}}
    listed = Rejection(ExternalId("1"), "record", "nothing", "expected attributes", stub, is_whole=False)
    with grace.open() as store:
        grace.begin(store, changed=lambda page: set_aside(page, listed))()
    assert (replay(grace), grace.waiting()) == (ReplayCounts(), {"1"})
    # What is read whole takes its place, and stays when a listing of ids shows the record again.
    grace.commit(email(1, 5), manifest=wrong)
    with grace.open() as store:
        grace.begin(store, changed=lambda page: set_aside(page, listed))()
    assert grace.fetch("SELECT occurrences, is_whole FROM sync.dead_letters") == [(3, True)]
    assert replay(grace).created == 1
    assert grace.rows()["1"][0] == "1@example.org"


def test_one_or_a_reason_is_replayed_alone(church: Church, pco_manifest: Manifest) -> None:
    grace, wrong = church(), mistaken(pco_manifest)
    grace.commit(email(1), email(2), email(3), {**email(4), "attributes": []}, manifest=wrong)
    ((letter,),) = grace.fetch("SELECT dead_letter_id FROM sync.dead_letters WHERE external_id = '2'")
    assert replay(grace, chosen=LetterFilter(letter_id=letter)).created == 1
    assert replay(grace, chosen=LetterFilter(reason="ATTRIBUTES: expected")) == ReplayCounts(failed=1, pages=1)
    assert replay(grace, chosen=LetterFilter(reason="100%")) == ReplayCounts()
    assert grace.waiting() == {"1", "3", "4"}
    assert replay(grace, chosen=LetterFilter(reason="person: expected a reference")).created == 2


def test_what_the_database_refused_is_replayed_from_its_raw_record(church: Church, pco_manifest: Manifest) -> None:
    grace, refused = church(), "refused@example.org"
    with grace.database.connect_fleet() as connection:
        refuse = f"ALTER TABLE openfaith.emails ADD CONSTRAINT refused CHECK (address <> '{refused}')"
        connection.execute(refuse.encode())
        grace.commit(email(1), email(2, address=refused))
        assert (set(grace.rows()), grace.waiting()) == ({"1"}, {"2"})
        assert grace.fetch("SELECT raw -> 'attributes' ->> 'address' FROM sync.dead_letters") == [(refused,)]
        grace.commit(email(3, address=refused), manifest=mistaken(pco_manifest))
        assert replay(grace) == ReplayCounts(failed=2, pages=1)
        connection.execute(b"ALTER TABLE openfaith.emails DROP CONSTRAINT refused")
    assert grace.fetch("SELECT DISTINCT field, reason FROM sync.dead_letters") == [
        ("refused", "the database refuses it: CheckViolation")
    ]
    assert replay(grace) == ReplayCounts(created=2, pages=1)
    assert (len(grace.rows()), grace.waiting()) == (3, set())


def test_a_letter_says_where_it_came_from(church: Church, pco_manifest: Manifest) -> None:
    grace, wrong = church(), mistaken(pco_manifest)
    grace.commit(email(1), manifest=wrong)
    with grace.open() as store:
        grace.begin(store, email(2), of=RECORDS, manifest=wrong)()
    found = grace.fetch(
        "SELECT external_id, page, pass_id = walked.pass_id, read_since = walked.started_at"
        " FROM sync.dead_letters JOIN sync.passes walked USING (org_id, pass_id) ORDER BY external_id"
    )
    assert found == [("1", 1, True, True), ("2", 1, True, True)]
