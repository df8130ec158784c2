"""An erased person is in no table and no file, and nothing that the source does brings them back.

Every table of the database is searched, whatever its schema, so that none is forgotten that is added later.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.ids import ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.webhooks.delivery import Unreadable
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.store.admin.key_rotation import count_key_use, rotate_secrets
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.inbox.unreadable_events import keep_unreadable_on
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions
from openfaith_sync_tests.added_entity import add_note
from openfaith_sync_tests.conftest import SECRET_KEY
from openfaith_sync_tests.laws.erased_church import EMAIL, GRACE, HOUSEHOLD, MARK, NOTE, PERSON, ErasedChurch
from openfaith_sync_tests.store.making import PCO, fetch


@pytest.fixture
def church(database: Database, tmp_path: Path) -> Iterator[ErasedChurch]:
    root = add_note(tmp_path)
    manifest = read_manifest(root, PCO)
    ensure_tables(database, manifest)
    home = tmp_path / "home"
    home.mkdir()
    with running_simulator(SimulatorSettings(people=60, rate=None), manifest) as simulator:
        made = ErasedChurch(database, manifest, root, simulator, home)
        made.connect()
        yield made


def choose(church: ErasedChurch) -> tuple[str, str, str]:
    """Return the household of a primary contact, that person, and another one who is to be merged into them."""
    people = church.simulator.truth(PERSON)
    for household, record in church.simulator.truth(HOUSEHOLD).items():
        person = record.relationships["primary_contact"]
        if person in people and len(church.belongings(person)) > 4:
            other = next(known for known in people if known != person and len(church.belongings(known)) > 2)
            return household, person, other
    raise AssertionError("nobody has everything")


def mark_everything(church: ErasedChurch, *people: str) -> None:
    for person in people:
        church.mark(PERSON, person, "person")
        for entity, found in church.belongings(person).items():
            for external_id in found:
                church.mark(entity, external_id, "belonging")


def fill_the_bookkeeping(church: ErasedChurch, household: str, person: str) -> None:
    """Leave traces wherever one may be left: dead letters, events, kept versions."""
    key = {"org_id": GRACE, "adapter": PCO}
    letter = {"field": "x", "value_type": "x", "reason": "x", "manifest_version": "1"}
    marked = {"id": person, "attributes": {"name": f"{MARK} raw"}}
    about = {"id": "987654", "attributes": {"x": f"{MARK} raw of another"}, "person": {"data": {"id": person}}}
    church.insert("dead_letters", **key, entity=PERSON, external_id=person, raw=marked, **letter)
    church.insert("dead_letters", **key, entity=EMAIL, external_id="987654", raw=about, **letter)
    now = {"version": "2026-01-01Z", "taken_version": "2025-01-01Z", "pass_id": 1}
    church.insert(
        "superseded_records", **key, entity=PERSON, external_id=person, entity_id=church.id_of(PERSON, person),
        record={"name": f"{MARK} superseded"}, **now,
    )  # fmt: skip
    contact = {"primary_contact_id": church.id_of(PERSON, person), "custom_fields": {"x": f"{MARK} kept contact"}}
    church.insert(
        "superseded_records", **key, entity=HOUSEHOLD, external_id=household, entity_id="h", record=contact, **now
    )
    event = {"name": "x", "action": "updated", "done_at": "2026-01-01Z"}
    shown = {"id": person, "name": f"{MARK} payload"}
    church.insert("webhook_events", **key, event_id="1", entity=PERSON, external_id=person, payload=shown, **event)
    named = {"primary_contact": {"data": {"id": person}}, "name": f"{MARK} payload of another"}
    church.insert(
        "webhook_events", **key, event_id="2", entity=HOUSEHOLD, external_id=household, payload=named, **event
    )
    with church.database.connect(GRACE) as session:
        keep_unreadable_on(session, GRACE, PCO, [Unreadable("3", "x", "cut short", f"{MARK} unreadable")])


def receive(church: ErasedChurch, *events: InboxEvent) -> int:
    with open_subscriptions(church.database, GRACE, PCO) as store:
        return store.receive(events)


def shows_nothing(church: ErasedChurch) -> None:
    church.analyze()
    assert church.found() == {}


def test_an_erased_person_is_found_nowhere_and_does_not_come_back(church: ErasedChurch) -> None:
    household, person, other = choose(church)
    simulator = church.simulator
    simulator.create(NOTE, {"note": "x"}, {"person": person})
    mark_everything(church, person, other)
    simulator.change(HOUSEHOLD, household, {"primary_contact_name": f"{MARK} household contact"})
    church.sync()
    simulator.merge(person, other)
    church.sync()
    fill_the_bookkeeping(church, household, person)
    church.analyze()

    before = church.found()
    marks = {mark for found in before.values() for mark in found}
    places = {
        "openfaith.people", "openfaith.emails", "openfaith.addresses", "openfaith.phone_numbers", "pco.notes",
        "openfaith.households", "openfaith.household_memberships", "sync.dead_letters", "sync.webhook_events",
        "sync.superseded_records", "pg_catalog.pg_statistic",
    }  # fmt: skip
    assert places <= before.keys(), before.keys()
    assert len(marks) > 40

    done = church.run("erase", person, "--org", GRACE, "--yes", "--by", "an officer")
    assert done.exit_code == 0, done.output
    assert church.found() == {}
    row = "SELECT id, deleted_at IS NOT NULL FROM openfaith.people WHERE id = %s"
    for known in (person, other):
        assert fetch(church.database, row, church.id_of(PERSON, known)) == [(church.id_of(PERSON, known), True)]
    assert fetch(church.database, "SELECT count(*) FROM openfaith.people WHERE external_id = %s", person) == [(0,)]
    audit = fetch(church.database, "SELECT action, requested_by, rows > 20 FROM sync.erasures")
    assert audit == [("erase", "an officer", True)]

    # Whatever the source does with them: a change, a new address, a webhook, a full listing, a comparison of all ids.
    church.mark(PERSON, person, "later")
    simulator.create(EMAIL, {"address": f"{MARK} new address"}, {"person": person})
    church.sync()
    church.sync(SyncMode.FULL)
    shown = {"id": person, "name": f"{MARK} webhook"}
    about = {"id": household, "name": f"{MARK} webhook of another", "relationships": {"contact": {"id": person}}}
    assert receive(
        church,
        InboxEvent("4", "updated", PERSON, ExternalId(person), EventAction.UPDATED, payload=shown),
        InboxEvent("5", "updated", HOUSEHOLD, ExternalId(household), EventAction.UPDATED, payload=about),
    ) == 1  # fmt: skip
    church.drain()
    results = church.sync(SyncMode.RECONCILIATION)
    shows_nothing(church)

    # All is there that the source has, and nothing is read again for ever.
    with church.store() as store:
        for entity, result in results.items():
            aside = store.count_set_aside(SyncKey(GRACE, PCO, entity))
            assert result.source_count in {None, result.stored_count + aside}, entity
    quiet = church.sync()
    assert {entity: result.counts.created + result.counts.updated for entity, result in quiet.items()} == dict.fromkeys(
        quiet, 0
    )

    # A rotated key keeps them out.
    new = replace(church.database, keys=SecretKeys(church.home, (Fernet.generate_key().decode(), SECRET_KEY)))
    assert rotate_secrets(new) == 2
    assert count_key_use(new).is_rotated
    church.database = replace(new, keys=SecretKeys(church.home, new.keys.given[:1]))
    church.sync(SyncMode.FULL)
    shows_nothing(church)

    key = church.database.keys.given[0]
    done = church.run("erase", "--allow", person, "--org", GRACE, OPENFAITH_SECRET_KEYS=key)
    assert done.exit_code == 0, done.output
    church.drain()
    church.sync(SyncMode.RECONCILIATION)
    assert {"openfaith.people", "openfaith.emails", "pco.notes", "openfaith.households"} <= church.found().keys()
