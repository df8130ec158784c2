"""What a page changes beside its records, as statements with their parameters."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

import orjson

from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.mapping.unstorable_text import storable_text
from openfaith_sync.domain.passes.passes import Lease, PageCommit
from openfaith_sync.store.pages import evidence_sql
from openfaith_sync.store.pages.older_sql import step_back
from openfaith_sync.store.pages.page_rows import Parameters, array_literal
from openfaith_sync.store.schema.record_tables import EntityTables, entity_table, on_table


def listing_of(lease: Lease, page: PageCommit, tables: EntityTables) -> Iterator[tuple[str, bytes, Parameters]]:
    """Yield the steps of a commit that come before its records: what was listed, and which may be older than held."""
    if page.listed:
        versions = array_literal([page.listed_versions.get(external_id) for external_id in page.listed])
        listed: Parameters = {"ids": _ids(page.listed), "versions": versions}
        statement = on_table(evidence_sql.NOTE_LISTED, entity_table(tables, lease.key))
        yield "note_listed", statement, _common(lease, page) | listed
    if page.older:
        ordered = sorted(page.older, key=attrgetter("external_id"))
        parameters: Parameters = {
            "ids": [one.external_id for one in ordered],
            "versions": [one.version for one in ordered],
            "held": [one.held_version for one in ordered],
        }
        (table,) = {batch.table for batch in page.batches[:1] if batch.table}
        yield "step_back", step_back(table), _common(lease, page) | parameters


def evidence_of(lease: Lease, page: PageCommit, tables: EntityTables) -> Iterator[tuple[str, bytes, Parameters]]:
    """Yield the steps of a commit about what is gone, what left a parent's list and which events are handled."""
    common = _common(lease, page)
    tombstones = sorted(page.tombstones, key=lambda one: (one.entity, str(one.proven_at), one.external_id))
    for (entity, table, proven_at), gone in groupby(tombstones, key=_kind):
        dead = list(gone)
        ids = {"ids": [one.external_id for one in dead], "entity_ids": [one.entity_id for one in dead]}
        parameters = {"entity": entity, "proven_at": proven_at, "losses": [one.is_loss for one in dead]}
        yield "tombstone", evidence_sql.tombstone(table), common | parameters | ids
    if page.answers:
        answers = {"ids": _ids(page.answers), "answers": [answer.value for answer in page.answers.values()]}
        yield "note_answers", evidence_sql.NOTE_ANSWERS, common | answers
    settled = {one.entity for one in page.tombstones} | ({lease.key.entity} if page.answers else set())
    for entity in sorted(settled):
        yield "follow_hold", evidence_sql.FOLLOW_HOLD, common | {"entity": entity}
    for parent in page.parents:
        parameters = {"parent": parent.parent_id, "hash": parent.parent_hash, "listed": _ids(parent.listed)}
        parameters |= {"began": parent.began_at, "watermark": parent.watermark}
        whole = on_table(evidence_sql.NOTE_PARENT, entity_table(tables, lease.key))
        yield "note_parent", whole if parent.is_whole else evidence_sql.NOTE_CHANGES, common | parameters
    members = sorted(page.memberships, key=attrgetter("entity", "parent_id", "external_id"))
    for entity, group in groupby(members, key=attrgetter("entity")):
        joined = list(group)
        parameters = {"parents": [one.parent_id for one in joined], "ids": [one.external_id for one in joined]}
        yield "note_parent", evidence_sql.NOTE_MEMBERS, common | {"entity": entity} | parameters
    for entity, named in groupby(sorted(page.named_parents, key=_names), key=attrgetter("entity")):
        parents = [one.parent_id for one in named]
        yield "note_parent", evidence_sql.MAKE_DUE, common | {"entity": entity, "parents": parents}
    if page.handled:
        events = {"ids": list(page.handled), "outcomes": list(page.handled.values())}
        yield "handle_events", evidence_sql.HANDLE_EVENTS, {"org": lease.key.org, "adapter": lease.key.adapter} | events
    if page.findings:
        found = {"found": orjson.dumps(dict(page.findings)).decode()}
        yield "note_report", evidence_sql.NOTE_REPORT, {"org": lease.key.org, "pass": page.pass_id} | found


def _common(lease: Lease, page: PageCommit) -> Parameters:
    key = lease.key
    return {"org": key.org, "adapter": key.adapter, "entity": key.entity, "pass": page.pass_id}


def _ids(listed: Iterable[ExternalId]) -> list[str]:
    """Return ids as dead letters and records name them."""
    return [storable_text(external_id) for external_id in listed]


_kind = attrgetter("entity", "table", "proven_at")
_names = attrgetter("entity", "parent_id")
