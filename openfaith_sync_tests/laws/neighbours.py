"""Orgs side by side whose records have the same external ids; whatever one does, the others stay as they are."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection, ConnectionStatus
from openfaith_sync.domain.errors import AccessDenied
from openfaith_sync.domain.ids import RECORDS, EntityName, ExternalId, OrgId, SyncKey, derive_entity_id, merges_of
from openfaith_sync.domain.passes.passes import PassStart, SyncMode, Tombstone
from openfaith_sync.domain.ratelimit.budget import Budget, Visit
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.domain.records.merges import Merge, MergeCommit, ReferenceColumn
from openfaith_sync.domain.records.record import Record
from openfaith_sync.domain.schedule.due_work import ALL, WorkMode
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent, Wait
from openfaith_sync.domain.webhooks.subscription import Subscription
from openfaith_sync.store.admin.erase import count_rows, erase_org
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.admin.reports import read_frame, status_rows
from openfaith_sync.store.admin.summaries import load_some_rows
from openfaith_sync.store.connections.authorizations import (
    begin_authorization,
    finish_authorization,
    load_progress,
    take_authorization,
)
from openfaith_sync.store.connections.connections import (
    add_connection,
    list_connections,
    load_connection,
    set_connection_status,
)
from openfaith_sync.store.connections.unavailable_entities import note_readable, note_refusal
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.deletions.hold_decisions import list_holds
from openfaith_sync.store.inbox.inbox import list_inboxes, receive
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync.store.ratelimit.budgets import PostgresLedger
from openfaith_sync.store.schedule.intervals import set_intervals
from openfaith_sync.store.schedule.work import make_due, replan_nights
from openfaith_sync.store.schema.row_level_security import create_row_level_security
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions
from openfaith_sync_tests.store.making import (
    EMAIL,
    FULL,
    NOON,
    PCO,
    PERSON,
    at,
    batch,
    email,
    fetch,
    rejection,
    run,
    walking,
)

GROUP = EntityName("group")
SINGLE = PassStart(mode=SyncMode.RECORD, trigger="test", manifest_version="m1")
EMAILS = CANONICAL_TABLES["emails"]
REFERENCES = (ReferenceColumn(EMAILS, "person_id", PERSON),)
_OF_AN_ORG = """
SELECT held.oid::regclass::text FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
JOIN pg_attribute own ON own.attrelid = held.oid AND own.attname = 'org_id' AND NOT own.attisdropped
WHERE room.nspname IN ('openfaith', 'sync') AND held.relkind IN ('r', 'p') ORDER BY 1
"""


def person(external_id: str, name: str, org: OrgId) -> Record:
    columns = CANONICAL_TABLES["people"].columns
    values = tuple({"name": name, "status": "active"}.get(column.name) for column in columns)
    identity = derive_entity_id(org, PCO, PERSON, external_id)
    return Record(ExternalId(external_id), identity, NOON, values, b"{}", name.encode(errors="replace")[:16])


@dataclass(frozen=True)
class Neighbour:
    """One org, and all that can be done to it; every value that it stores holds its name."""

    database: Database
    org: OrgId

    @property
    def emails(self) -> SyncKey:
        return SyncKey(self.org, PCO, EMAIL)

    def commit(self, ids: list[str], text: str, minutes: int) -> None:
        with walking(self.database, self.emails, FULL) as walk:
            records = [email(one, f"{self.org}: {text}", at(minutes), self.org) for one in ids]
            bad = [rejection(one, f"{self.org}: bad") for one in ids[:1]] if minutes % 2 else []
            walk.commit(batch(records if not bad else records[1:], bad))
            walk.close(at(minutes))

    def bury(self, ids: list[str], _: str, __: int) -> None:
        with walking(self.database, replace(self.emails, entity=RECORDS), SINGLE) as walk:
            gone = [
                Tombstone(EMAIL, EMAILS, ExternalId(one), derive_entity_id(self.org, PCO, EMAIL, one)) for one in ids
            ]
            walk.store.commit_page(walk.lease, replace(walk.page(), tombstones=tuple(gone)))
            walk.close()

    def merge(self, ids: list[str], _: str, minutes: int) -> None:
        if len(ids) < 2:
            return
        people = replace(self.emails, entity=PERSON)
        with walking(self.database, people, FULL) as walk:
            walk.commit(batch([person(one, f"{self.org}: {one}", self.org) for one in ids], entity=PERSON))
        key = replace(self.emails, entity=merges_of(PERSON))
        merges = tuple(Merge(ExternalId(ids[0]), ExternalId(one), at(minutes)) for one in ids[1:])
        with open_store(self.database, self.org) as store, store.hold_lease(key, "a test") as lease:
            store.commit_merges(lease, MergeCommit(PERSON, CANONICAL_TABLES["people"], merges, REFERENCES))
            store.follow_merges(self.emails, REFERENCES)
            store.load_merged(people, [ExternalId(one) for one in ids])

    def announce(self, ids: list[str], text: str, minutes: int) -> None:
        events = [
            InboxEvent(
                f"e-{one}"[:60],
                "email.updated",
                EMAIL,
                ExternalId(one),
                EventAction.UPDATED,
                None,
                {"t": f"{self.org}: {text}"},
            )
            for one in ids
        ]
        receive(self.database, self.org, PCO, events)
        key = replace(self.emails, entity=RECORDS)
        with walking(self.database, key, SINGLE) as walk:
            readings = walk.store.load_due_records(key, 10)
            payloads = [event.payload for reading in readings for event in reading.events if event.payload]
            assert all(payload["t"].startswith(f"{self.org}:") for payload in payloads)
            waits = {e.event_id: Wait(0, f"{self.org} waits") for reading in readings[1:] for e in reading.events}
            walk.store.postpone_events(walk.lease, waits)
            handled = {e.event_id: f"{self.org} {minutes}" for reading in readings[:1] for e in reading.events}
            walk.store.commit_page(walk.lease, replace(walk.page(), handled=handled))
            walk.close()

    def connect(self, _: list[str], text: str, minutes: int) -> None:
        secret = f"{self.org}: {text}"
        add_connection(self.database, Connection(self.org, PCO, "http://x", BasicCredentials(self.org, secret)))
        status = ConnectionStatus.PAUSED if minutes % 2 else ConnectionStatus.ACTIVE
        set_connection_status(self.database, self.org, PCO, status, f"{self.org} said so")
        assert load_connection(self.database, self.org, PCO).credentials == BasicCredentials(self.org, secret)
        assert [one.org for one in list_connections(self.database, self.org)] == [self.org]

    def subscribe(self, ids: list[str], text: str, minutes: int) -> None:
        with open_subscriptions(self.database, self.org, PCO) as store, store.hold_lease("a test"):
            for one in ids:
                name = f"n-{one}"[:60]
                # The source's dialect lets no secret through that has no bytes.
                secret = f"{self.org}: {text}".encode(errors="replace").decode()
                store.save(Subscription(one, name, "http://x", is_active=True, secret=secret))
                store.note_inactive(name)
            assert all(held.secret.startswith(f"{self.org}:") for held in store.load().values())
            if minutes % 3 == 0:
                store.forget(f"n-{ids[0]}"[:60])

    def settle(self, _: list[str], __: str, minutes: int) -> None:
        set_org(self.database, self.org, deletion_count=minutes)
        key = (ALL, WorkMode.DELTA)
        own = {key: timedelta(minutes=minutes + 1)} if minutes % 2 else {}
        set_intervals(self.database, self.org, PCO, own, [] if own else [key])
        make_due(self.database, self.org, PCO, list(WorkMode), f"{self.org} {minutes}")
        replan_nights(self.database, self.org, "Asia/Tokyo")

    def agree(self, _: list[str], text: str, minutes: int) -> None:
        """Be sent to a source, and come back with a state or not."""
        begun = begin_authorization(self.database, self.org, PCO, "http://x", "http://y", frozenset({"people"}))
        if minutes % 2:
            assert take_authorization(self.database, begun.state).org == self.org
            finish_authorization(self.database, begun.state, f"{self.org} {len(text)}")
        assert load_progress(self.database, begun.state).is_used == bool(minutes % 2)

    def spend(self, _: list[str], __: str, minutes: int) -> None:
        """Take slots of the budget, and be refused an entity by the source."""
        with closing(PostgresLedger(self.database, self.org, PCO)) as ledger:
            ledger.visit("common", Budget(100, 600.0), Visit(f"{self.org} {minutes}", Lane.WEBHOOK, 3))
        connection = Connection(self.org, PCO, "http://x", BasicCredentials(self.org, "x"))
        # What several orgs could read before and are refused at once is shared on purpose: this one they never could.
        if minutes % 2:
            note_refusal(self.database, connection, GROUP, AccessDenied(f"{self.org} may not"))
        else:
            note_readable(self.database, connection, GROUP)

    def look(self, _: list[str], __: str, ___: int) -> None:
        """Read every way there is; what is read is its own."""
        if fetch(self.database, "SELECT FROM sync.passes WHERE org_id = %s AND entity = %s", self.org, EMAIL):
            frame = read_frame(self.database, self.org, PCO, EMAIL)
            assert all(str(address).startswith(f"{self.org}:") for address in frame["address"])
        rows = load_some_rows(self.database, self.org, EMAIL, EMAILS, ["org_id", "address"], 100)
        assert {org for org, _ in rows} <= {self.org}
        for listed in (status_rows, list_inboxes):
            assert {row.org for row in listed(self.database, self.org)} <= {self.org}
        assert {hold.key.org for hold in list_holds(self.database, self.org, is_all=True)} <= {self.org}
        with open_store(self.database, self.org) as store:
            own = "SELECT count(*) FROM openfaith.emails WHERE org_id = %s AND deleted_at IS NULL"
            assert store.count_live(self.emails) == fetch(self.database, own, self.org)[0][0]

    def erase(self, _: list[str], __: str, ___: int) -> None:
        erase_org(self.database, self.org)
        assert count_rows(self.database, self.org) == {}


Deed = Callable[[Neighbour, list[str], str, int], None]
DEEDS: tuple[Deed, ...] = (
    Neighbour.commit, Neighbour.commit, Neighbour.bury, Neighbour.merge, Neighbour.announce, Neighbour.connect,
    Neighbour.subscribe, Neighbour.settle, Neighbour.agree, Neighbour.spend, Neighbour.look, Neighbour.erase,
)  # fmt: skip


def do(actor: Neighbour, deed: Callable[..., None], *told: Any) -> None:
    """Do one thing in one org, and see that no row of any other is another than before."""
    before = others(actor)
    deed(actor, *told)
    assert others(actor) == before, f"{deed.__name__} of {actor.org} changed another org"


def others(actor: Neighbour) -> dict[str, Any]:
    """Return what lies in every table for all orgs but one."""
    tables = [name for (name,) in fetch(actor.database, _OF_AN_ORG)]
    each = " UNION ALL ".join(
        f"SELECT '{name}', md5(string_agg(h::text, '|' ORDER BY h::text)) FROM {name} h WHERE org_id <> %(org)s"
        for name in tables
    )
    with psycopg.connect(actor.database.libpq_url) as connection:
        return dict(connection.execute(each.encode(), {"org": actor.org}).fetchall())


@contextmanager
def walls_down(database: Database) -> Iterator[None]:
    """Take row-level security off every table, as a mistake of an operator would."""
    for (name,) in fetch(database, _OF_AN_ORG):
        run(database, f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
    try:
        yield
    finally:
        with database.connect_fleet() as connection:
            create_row_level_security(connection)


def without_org(statement: Any) -> Any:
    """Return a statement as somebody would write it who forgot the org."""
    if isinstance(statement, sql.Composable):
        return without_org(statement.as_string())
    if isinstance(statement, bytes):
        return without_org(statement.decode()).encode()
    if not isinstance(statement, str) or "set_config" in statement:
        return statement
    return re.sub(r"\b(?:\w+\.)?org_id = (%s|%\(org\)s)", r"\1::text IS NOT NULL", statement)
