"""Archived groups are synced like others: listings ask for them, since the source leaves them out otherwise."""

from collections.abc import Callable

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync_tests.laws.synced_church import GROUP, PERSON, Synced
from openfaith_sync_tests.store.making import fetch

MEMBERSHIP = EntityName("group_membership")
ARCHIVED_AT = "2026-06-01T12:00:00Z"


def inactive(church: Synced) -> set[str]:
    statement = """
        SELECT external_id FROM openfaith.groups
        WHERE type = 'group' AND status = 'inactive' AND inactivated_at IS NOT NULL"""
    return {row[0] for row in fetch(church.database, statement)}


def archived(church: Synced) -> set[str]:
    return {number for number, group in church.simulator.truth("group").items() if group.attributes["archived_at"]}


def test_a_first_sync_stores_archived_groups_as_inactive(synced: Callable[..., Synced]) -> None:
    church = synced()
    church.simulator.change("group", next(iter(church.truth(GROUP))), {"archived_at": ARCHIVED_AT})
    church.sync(GROUP, SyncMode.FULL)
    assert church.live(GROUP) == church.truth(GROUP)
    assert inactive(church) == archived(church) != set()


def test_a_group_archived_later_becomes_inactive_and_keeps_its_members(synced: Callable[..., Synced]) -> None:
    church = synced(PERSON, GROUP, MEMBERSHIP)
    group = next(
        number
        for number, found in church.simulator.truth("group").items()
        if found.attributes["memberships_count"] and not found.attributes["archived_at"]
    )
    members = church.live(MEMBERSHIP)
    church.simulator.change("group", group, {"archived_at": ARCHIVED_AT})
    church.simulator.clear_requests()
    assert church.sync(GROUP).counts.tombstoned == 0
    assert {request["path"] for request in church.simulator.requests()} == {"/groups/v2/groups"}
    church.sync(MEMBERSHIP)
    assert group in church.live(GROUP) & inactive(church)
    assert church.live(MEMBERSHIP) == members
