"""A refusal is judged by what the org could read before, and by whether others are refused at the same time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.refusals import ASK_AGAIN_FOR_NEVER_READ, Refusal
from openfaith_sync.domain.errors import AccessDenied
from openfaith_sync.domain.ids import EntityName, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.connections.unavailable_entities import load_refused, note_readable, note_refusal
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.incidents import PROBE_AFTER, claim_probes, list_incidents, note_probe_in_vain
from openfaith_sync.store.schedule.work import load_now
from openfaith_sync_tests.store.making import EMAIL, ORG, PCO, PERSON, batch, email, fetch, riders, run, walking
from openfaith_sync_tests.store.present_alerts import present_alerts

MINUTE = timedelta(minutes=1)
DENIED = AccessDenied("the source answered 403", "give the user access")
ORGS = [OrgId(f"church-{number}") for number in range(12)]


def connection(org: OrgId = ORG) -> Connection:
    return Connection(org, PCO, "https://pco.example", BasicCredentials("a", "b"))


@pytest.fixture
def database(database: Database) -> Database:
    for org in (ORG, *ORGS):
        add_connection(database, connection(org))
    return database


def refuse(database: Database, org: OrgId = ORG, entity: EntityName = EMAIL) -> Refusal:
    return note_refusal(database, connection(org), entity, DENIED)


def let_read(database: Database, org: OrgId = ORG, ago: timedelta = MINUTE, entity: EntityName = EMAIL) -> None:
    """Mark an entity as completely read at a time in the past."""
    run(
        database,
        "INSERT INTO sync.checkpoints (org_id, adapter, entity, completed_at) VALUES (%s, 'pco', %s, now() - %s)"
        " ON CONFLICT (org_id, adapter, entity) DO UPDATE SET completed_at = EXCLUDED.completed_at",
        org,
        entity,
        ago,
    )


def let_time_pass(database: Database, span: timedelta) -> None:
    run(database, "UPDATE sync.disabled_entities SET ask_again_at = ask_again_at - %s, since = since - %s", span, span)
    run(database, "UPDATE sync.refusal_incidents SET probe_at = probe_at - %s", span)


def wait_of(database: Database) -> timedelta:
    ((wait,),) = fetch(database, "SELECT ask_again_at - now() FROM sync.disabled_entities")
    # The statement that asks comes a moment later.
    return timedelta(minutes=round(wait / MINUTE))


def test_what_never_was_readable_is_not_available_and_asked_for_after_a_day(database: Database) -> None:
    refusal = refuse(database)
    assert refusal.is_unavailable
    assert wait_of(database) == ASK_AGAIN_FOR_NEVER_READ
    assert "give the user access" in str(refusal)
    assert present_alerts(database) == []


def test_what_was_readable_is_asked_for_again_soon_and_later_each_time(database: Database) -> None:
    let_read(database)
    waits = []
    for _ in range(5):
        assert not refuse(database).is_unavailable
        waits.append(wait_of(database) // MINUTE)
        let_time_pass(database, timedelta(hours=5))
    assert waits == [5, 15, 60, 240, 240]


def test_a_person_who_asks_before_it_is_time_makes_no_wait_longer(database: Database) -> None:
    let_read(database)
    refuse(database)
    let_time_pass(database, 2 * MINUTE)
    refuse(database)
    assert wait_of(database) == 3 * MINUTE


def test_once_it_is_readable_the_waits_begin_anew(database: Database) -> None:
    let_read(database)
    refuse(database)
    let_time_pass(database, timedelta(hours=1))
    refuse(database)
    note_readable(database, connection(), EMAIL)
    refuse(database)
    assert wait_of(database) == 5 * MINUTE


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_page_of_an_unfinished_pass_shows_that_it_was_readable(database: Database, is_committed: bool) -> None:
    with walking(database) as walk:
        if is_committed:
            walk.commit(batch([email("1")]))
    assert refuse(database).is_unavailable is not is_committed


def test_what_came_along_with_a_parent_was_not_asked_for(database: Database) -> None:
    with walking(database, SyncKey(ORG, PCO, PERSON), riders(EMAIL)) as walk:
        walk.commit(batch([], entity=PERSON), batch([email("1")]))
    assert refuse(database).is_unavailable


def test_a_lasting_refusal_is_one_alert_with_the_remedy_and_closes_by_itself(database: Database) -> None:
    let_read(database)
    refuse(database)
    assert present_alerts(database) == []
    let_time_pass(database, 6 * MINUTE)
    refuse(database)
    (alert,) = present_alerts(database)
    assert (alert.cause, alert.orgs, alert.is_general) == ("connection", (ORG,), False)
    assert "give the user access" in alert.detail
    note_readable(database, connection(), EMAIL)
    assert present_alerts(database) == []


def test_an_alert_lasts_as_long_as_any_entity_is_refused(database: Database) -> None:
    for entity in (EMAIL, PERSON):
        let_read(database, entity=entity)
        refuse(database, entity=entity)
        let_time_pass(database, 6 * MINUTE)
        refuse(database, entity=entity)
    note_readable(database, connection(), EMAIL)
    assert present_alerts(database)
    note_readable(database, connection(), PERSON)
    assert present_alerts(database) == []


def incident(database: Database, orgs: int = 4) -> list[Refusal]:
    """Refuse to many orgs what they read a minute ago."""
    for org in ORGS:
        let_read(database, org)
    return [refuse(database, org) for org in ORGS[:orgs]]


def test_many_orgs_refused_at_once_are_one_incident_one_alert_and_no_advice(
    database: Database, pco_manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = incident(database)
    assert [refusal.is_incident for refusal in refusals] == [False, False, True, True]
    (alert,) = present_alerts(database)
    assert (alert.cause, set(alert.orgs)) == ("outage", set(ORGS[:4]))
    assert "give the user access" not in alert.detail
    assert "give the user access" not in str(refusals[-1])
    assert len([line for line in caplog.records if "pco: outage" in line.message]) == 1
    # Whoever was not refused yet is spared the asking, too.
    refused = load_refused(database, pco_manifest, load_now(database))
    assert all(refused[org][EMAIL].is_incident for org in ORGS)
    assert {entity for org in ORGS for entity in refused[org]} == {EMAIL}


def test_refusals_of_what_never_was_readable_are_no_incident(database: Database) -> None:
    for org in ORGS:
        assert refuse(database, org).is_unavailable
    assert list_incidents(database) == []


def test_a_new_org_that_is_refused_during_an_incident_is_part_of_it(database: Database) -> None:
    incident(database)
    new = OrgId("new")
    add_connection(database, connection(new))
    assert not refuse(database, new).is_unavailable


@pytest.mark.parametrize(("answered", "is_incident"), [(timedelta(seconds=-30), False), (MINUTE, True)])
def test_a_few_refused_orgs_among_many_that_read_meanwhile_are_no_incident(
    database: Database, answered: timedelta, is_incident: bool
) -> None:
    for org in ORGS[:3]:
        let_read(database, org)
        refuse(database, org)
        run(database, "DELETE FROM sync.refusal_incidents")
    for org in ORGS[3:]:
        let_read(database, org, answered)
    refuse(database, ORGS[0])
    assert bool(list_incidents(database)) is is_incident


def test_refusals_far_apart_in_time_are_no_incident(database: Database) -> None:
    for org in ORGS[:5]:
        let_read(database, org)
        refuse(database, org)
        let_time_pass(database, timedelta(hours=1))
    assert list_incidents(database) == []


def test_of_all_who_could_probe_one_does(database: Database) -> None:
    incident(database)
    assert claim_probes(database, PCO, {}) == []
    let_time_pass(database, 6 * MINUTE)
    with ThreadPoolExecutor(6) as threads:
        claimed = [
            probe for found in threads.map(lambda _: claim_probes(database, PCO, {}), range(6)) for probe in found
        ]
    assert [probe.entity for probe in claimed] == [EMAIL]
    assert claimed[0].org in ORGS[:4]


def test_a_probe_in_vain_is_followed_by_another_later_each_time(database: Database) -> None:
    incident(database)
    waits = []
    for _ in range(5):
        let_time_pass(database, timedelta(hours=5))
        (probe,) = claim_probes(database, PCO, {})
        note_probe_in_vain(database, PCO, probe.entity)
        ((wait,),) = fetch(database, "SELECT probe_at - now() FROM sync.refusal_incidents")
        waits.append(timedelta(minutes=round(wait / MINUTE)))
    assert waits == [*PROBE_AFTER[1:], PROBE_AFTER[-1], PROBE_AFTER[-1]]


def test_the_first_org_that_may_read_again_ends_it_for_all(database: Database, pco_manifest: Manifest) -> None:
    incident(database)
    run(
        database,
        "INSERT INTO sync.work (org_id, adapter, entity, mode, reason, not_before)"
        " SELECT org_id, 'pco', 'email', 'delta', 'refused', now() + interval '1 hour' FROM sync.connections",
    )
    note_readable(database, connection(ORGS[0]), EMAIL)
    assert list_incidents(database) == []
    assert present_alerts(database) == []
    assert load_refused(database, pco_manifest, load_now(database)) == {}
    due = fetch(database, "SELECT org_id FROM sync.work WHERE not_before <= now() ORDER BY org_id")
    assert due == [(org,) for org in ORGS[:4]]


def test_an_org_that_was_refused_long_before_says_nothing_about_an_incident(database: Database) -> None:
    let_read(database)
    refuse(database)
    let_time_pass(database, timedelta(hours=2))
    incident(database)
    note_readable(database, connection(), EMAIL)
    assert list_incidents(database)


def test_one_of_two_incidents_that_ends_leaves_the_alert(database: Database) -> None:
    incident(database)
    for org in ORGS:
        let_read(database, org, entity=PERSON)
        refuse(database, org, PERSON)
    note_readable(database, connection(ORGS[0]), EMAIL)
    assert [one.entity for one in list_incidents(database)] == [PERSON]
    assert [alert.cause for alert in present_alerts(database)] == ["outage"]


def test_when_nobody_probes_anybody_may_ask(database: Database, pco_manifest: Manifest) -> None:
    incident(database)
    let_time_pass(database, timedelta(hours=5))
    assert load_refused(database, pco_manifest, load_now(database)) == {}


def test_an_incident_ends_with_the_last_org_that_was_part_of_it(database: Database) -> None:
    incident(database)
    for org in ORGS[:4]:
        disconnect_org(database, org)
    let_time_pass(database, 6 * MINUTE)
    assert claim_probes(database, PCO, {}) == []
    assert list_incidents(database) == []
    assert present_alerts(database) == []
