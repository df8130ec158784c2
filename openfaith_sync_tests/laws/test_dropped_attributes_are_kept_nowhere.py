"""What a manifest drops is in no row, dead letter, event or log, however the source sends it."""

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.inbox.unreadable_events import keep_unreadable_on
from openfaith_sync.store.manifests.source_tables import apply_manifest
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.adapters.dialects.declared import Answer, answering, declare, linked, listed, resource

GRACE, PCO, CHECK, UPDATED = OrgId("grace"), AdapterName("pco"), EntityName("check"), "people.v2.events.check.updated"
SECRET, SEEN = "planted-report-7f3a9c", "seen-4b21"
ENTITIES = """
  person:
    resource: Person
    description: Someone.
    endpoints: {list: /people, get: "/people/{id}"}
    includes: [checks]
    sideload: {checks: check}
    delta: {by: none, attribute: null}
    attributes: {name: {type: string}}
    relationships: {checks: {target: check, resource: Check, cardinality: many}}
  check:
    resource: Check
    description: A background check.
    endpoints: {list: /checks, get: "/checks/{id}"}
    delta: {by: none, attribute: null}
    webhooks: [people.v2.events.check.updated]
    DROP
    attributes: {status_text: {type: string}}
    relationships: {person: {target: person, resource: Person, nullable: false, always: true}}
"""


def check(number: str, how: str) -> dict[str, Any]:
    """Return a check with the secret, and with what shows that it was looked at."""
    attributes = {"status_text": f"{SEEN} {how}", "report_url": f"{SECRET} {how}", "other": {"deep": f"{SEEN} {how}"}}
    return resource("Check", number, attributes, person=linked("Person", "1"))


def damaged() -> list[Any]:
    """Return checks that become dead letters, each in its own way."""
    unnamed, misplaced, listless, orphan = (check(str(number), "dead letter") for number in range(20, 24))
    del unnamed["id"]
    misplaced["attributes"] = [f"{SECRET} dead letter"]
    listless["relationships"] = [1]
    orphan["relationships"] = {}
    return [unnamed, misplaced, listless, orphan, f"{SECRET} dead letter"]


def answer(path: str, parameters: Mapping[str, str]) -> Answer:
    if path == "/people/v2/checks":
        return listed(check("10", "listing"), *damaged())
    if path.startswith("/people/v2/checks/"):
        return {"data": check(path.rpartition("/")[2], "single read")}
    person = resource("Person", "1", {"name": "Anna"}, checks=[linked("Check", "11")])
    return listed(person, included=(check("11", "included"),) if "include" in parameters else ())


def delivered(record: object, number: int) -> dict[str, Any]:
    payload = json.dumps({"data": record, "meta": {"event_time": "2026-06-01T12:00:00Z"}})
    return {"id": f"event-{number}", "type": "EventDelivery", "attributes": {"name": UPDATED, "payload": payload}}


def deliver(database: Database, manifest: Manifest) -> None:
    """Store a readable event, and what cannot be read of deliveries."""
    webhooks = open_dialect(manifest).webhooks
    assert webhooks is not None
    unnamed = check("13", "unreadable event")
    del unnamed["id"]
    parts = [delivered(check("12", "event"), 1), delivered(unnamed, 2), delivered([f"{SECRET} unreadable event"], 3)]
    bodies = [json.dumps({"data": parts}).encode(), f"no JSON {SECRET} unreadable event".encode()]
    for headers in ({"X-PCO-Webhooks-Name": UPDATED}, {}):
        for body in bodies:
            delivery = webhooks.reader.read_delivery(headers, body)
            receive(database, GRACE, PCO, list(delivery.events))
            with database.connect(GRACE) as connection:
                keep_unreadable_on(connection, GRACE, PCO, delivery.unreadable)


def places(database: Database, text: str) -> set[str]:
    """Return the tables in which a text is found."""
    found = set()
    with psycopg.connect(database.libpq_url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for name in tables:
            query = sql.SQL("SELECT count(*) FROM {} held WHERE held::text LIKE %s").format(sql.Identifier(*name))
            row = connection.execute(query, (f"%{text}%",)).fetchone()
            if row is not None and row[0]:
                found.add(".".join(name))
    return found


def live_through(database: Database, folder: Path, drop: str) -> None:
    """Sync and reconcile a church, receive its events, and read the records that they name."""
    manifest = declare(folder, ENTITIES.replace("DROP", drop))
    with database.connect_fleet() as connection:
        list(apply_manifest(connection, manifest))
    with ExitStack() as opened:
        source, _ = opened.enter_context(answering(manifest, answer))
        session = Session(manifest, source, opened.enter_context(open_store(database, GRACE)), GRACE)
        run_entity(session, EntityName("person"), SyncMode.FULL)
        assert run_entity(session, CHECK, SyncMode.FULL).counts.dead == len(damaged())
        deliver(database, manifest)
        assert run_records(session).records == 1


HOWS = ("listing", "included", "single read", "event", "dead letter", "unreadable event")


def test_a_dropped_attribute_is_in_no_table_and_no_log(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    live_through(database, tmp_path, "drop: [report_url]")
    assert places(database, SECRET) == set()
    assert SECRET not in caplog.text
    # All that was sent beside it was stored.
    assert [how for how in HOWS if not places(database, f"{SEEN} {how}")] == ["unreadable event"]


def test_without_the_key_it_is_found_wherever_it_was_planted(database: Database, tmp_path: Path) -> None:
    live_through(database, tmp_path, "")
    assert [how for how in HOWS if not places(database, f"{SECRET} {how}")] == []
    assert places(database, SECRET) == {"pco.checks", "sync.dead_letters", "sync.webhook_events"}
