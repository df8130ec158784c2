"""What a page says beside its records, as statements with their parameters."""

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter

from openfaith_sync.domain.passes import Lease, PageCommit
from openfaith_sync.store import evidence_sql
from openfaith_sync.store.page_rows import Parameters


def evidence_of(lease: Lease, page: PageCommit) -> Iterator[tuple[str, bytes, Parameters]]:
    """Give the steps of a commit about what is gone, what was listed and which events are settled."""
    key = lease.key
    common = {"org": key.org, "adapter": key.adapter, "entity": key.entity, "pass": page.pass_id}
    tombstones = sorted(page.tombstones, key=attrgetter("entity", "table", "external_id"))
    for (entity, table), gone in groupby(tombstones, key=attrgetter("entity", "table")):
        dead = list(gone)
        ids = {"ids": [one.external_id for one in dead], "entity_ids": [one.entity_id for one in dead]}
        yield "tombstone", evidence_sql.tombstone(table), common | {"entity": entity} | ids
    if page.listed:
        listed = {"org": key.org, "pass": page.pass_id, "ids": list(page.listed)}
        yield "note_listed", evidence_sql.NOTE_LISTED, listed
    for parent in page.parents:
        told = {"parent": parent.parent_id, "hash": parent.parent_hash, "listed": list(parent.listed)}
        yield "note_parent", evidence_sql.NOTE_PARENT, common | told
    members = sorted(page.memberships, key=attrgetter("entity", "parent_id", "external_id"))
    for entity, group in groupby(members, key=attrgetter("entity")):
        joined = list(group)
        told = {"parents": [one.parent_id for one in joined], "ids": [one.external_id for one in joined]}
        yield "note_parent", evidence_sql.NOTE_MEMBERS, common | {"entity": entity} | told
    if page.handled:
        events = {"ids": list(page.handled), "outcomes": list(page.handled.values())}
        yield "settle_events", evidence_sql.SETTLE_EVENTS, {"org": key.org, "adapter": key.adapter} | events
