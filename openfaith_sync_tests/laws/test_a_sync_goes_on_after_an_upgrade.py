"""Law 1: a sync that was interrupted before an upgrade goes on after it, where it was."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import psycopg
import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync.store.schema.migrate import migrate
from openfaith_sync_tests.conftest import settings_for
from openfaith_sync_tests.laws.synced_church import EMAIL, GRACE, PEOPLE, PERSON, Synced
from openfaith_sync_tests.store.former_copy import copy_to_former
from openfaith_sync_tests.store.making import fetch

HOUSEHOLD, FAMILY = EntityName("household"), EntityName("household_membership")
PAGE = 20
WALKED = 5
"""Pages of people that are committed before the interruption."""
OPEN = "SELECT pass_id, pages FROM sync.passes WHERE status = 'open' AND parent_pass_id IS NULL"


def walk_in_full(church: Synced, interrupted_after: int) -> None:
    """Begin a full walk of people in small pages, and give up after so many of them."""
    paging = church.manifest.adapter_file.paging.model_copy(update={"size": PAGE, "pages_in_flight": 1})
    adapter = church.manifest.adapter_file.model_copy(update={"paging": paging})
    manifest = church.manifest.model_copy(update={"adapter_file": adapter})
    connection = Connection(GRACE, manifest.adapter, church.simulator.base_url, BasicCredentials("demo", "demo"))
    committed = count(1)

    def interrupt(step: str) -> None:
        if step == "committed" and next(committed) == interrupted_after:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        open_store(church.database, GRACE, interrupt) as store,
        open_source(manifest, connection, attempts=1) as source,
    ):
        run_entity(Session(manifest, source, store, GRACE), PERSON, SyncMode.FULL)


def upgraded(church: Synced, url: DatabaseUrl) -> Synced:
    """Return the church with its database as it is after an upgrade from revision 0013."""
    migrate(url, "0013")
    with (
        psycopg.connect(church.database.libpq_url) as current,
        psycopg.connect(url.libpq) as former,
    ):
        copy_to_former(current, former)
    database = open_database(settings_for(url))
    # As every session does: entities without a record are not known yet.
    ensure_tables(database, church.manifest)
    return replace(church, database=database)


def test_a_walk_that_was_interrupted_before_the_upgrade_goes_on(
    synced: Callable[..., Synced], empty_url: DatabaseUrl
) -> None:
    church = synced(PERSON, EMAIL, HOUSEHOLD, FAMILY)
    people = sorted(church.truth(PERSON), key=int)
    church.simulator.merge(people[0], people[1])
    church.simulator.merge(people[2], people[0])
    church.simulator.delete("person", people[5])
    church.sync(PERSON)
    walk_in_full(church, WALKED)
    ((pass_id, pages),) = fetch(church.database, OPEN)
    assert 0 < pages < PEOPLE // PAGE

    later = upgraded(church, empty_url)
    assert fetch(later.database, OPEN) == [(pass_id, pages)]
    church.simulator.clear_requests()
    result = later.sync(PERSON, SyncMode.FULL)
    assert (result.mode, fetch(later.database, OPEN)) == (SyncMode.FULL, [])
    assert result.counts.unchanged == len(church.truth(PERSON))
    assert len(church.simulator.requests()) < PEOPLE // PAGE
    church.simulator.merge(people[7], people[2])
    church.simulator.delete("email", min(church.truth(EMAIL)))
    for entity in (PERSON, EMAIL, HOUSEHOLD, FAMILY):
        outcome = later.sync(entity)
        assert later.live(entity) == church.truth(entity)
        assert entity == FAMILY or outcome.counts.created == 0, "a record of before was not found again"
