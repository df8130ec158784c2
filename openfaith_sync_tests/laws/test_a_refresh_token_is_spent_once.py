"""Law 8: a refresh token is spent once, whoever comes when, and whatever ends them.

The simulator revokes the whole family of a token that is spent twice, and says so.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.simulator.server.server import (
    OAuthBehaviour,
)
from openfaith_sync.store.connections.tokens import REFRESH_STEPS
from openfaith_sync_tests.laws.consenting_church import HOURS, PEOPLE, SOON, Church, connect
from openfaith_sync_tests.laws.refresher import KILLED, RECONNECT, Refreshers
from openfaith_sync_tests.store.making import fetch
from openfaith_sync_tests.store.present_alerts import present_alerts

NOTHING_SENT = ("wait", "look", "begin")
MAY_BE_SPENT = ("send", "answered", "store")


@pytest.fixture(scope="module")
def refreshers() -> Iterator[Refreshers]:
    with Refreshers() as running:
        yield running


@pytest.mark.parametrize("step", REFRESH_STEPS)
def test_killed_at_every_step_of_a_refresh(church: Church, refreshers: Refreshers, step: str) -> None:
    church.expire()
    assert refreshers.run({**church.job, "kill_at": step}) == [KILLED]
    again = refreshers.run({**church.job, "reads": 3})
    assert church.simulator.oauth()["spent_twice"] == 0
    if step in MAY_BE_SPENT:
        assert again == [RECONNECT]
        assert church.connection.status is ConnectionStatus.RECONNECT_NEEDED
        assert church.connection.status_reason is not None
        assert "may have been used" in church.connection.status_reason
        assert "ended before the response was stored" in church.connection.status_reason
    else:
        assert again == [0]
        assert church.connection.status is ConnectionStatus.ACTIVE
        assert church.connection.version == church.first + 1
    # Whatever it was: connected again, it goes on.
    connect(church, HOURS)
    assert refreshers.run(church.job) == [0]
    assert church.org not in {org for alert in present_alerts(church.database) for org in alert.orgs}


def test_every_step_is_one_or_the_other() -> None:
    assert {*NOTHING_SENT, *MAY_BE_SPENT, "stored"} == {*REFRESH_STEPS}


def test_killed_before_it_was_sent_the_access_token_is_used_to_its_end(church: Church, refreshers: Refreshers) -> None:
    connect(church, SOON)
    assert refreshers.run({**church.job, "kill_at": "send"}) == [KILLED]
    assert refreshers.run({**church.job, "reads": 3}) == [0]
    assert church.connection.status is ConnectionStatus.ACTIVE
    church.expire()
    assert refreshers.run(church.job) == [RECONNECT]
    assert church.uses == []


@pytest.mark.parametrize("processes", [2, 8])
def test_processes_that_are_refused_at_the_same_instant_spend_one_token(
    church: Church, refreshers: Refreshers, processes: int
) -> None:
    for generation in range(1, 4):
        church.expire()
        assert refreshers.run({**church.job, "processes": processes, "reads": 3}) == [0] * processes
        assert church.uses == ["spent"] * generation
        assert church.connection.version == church.first + generation


def test_processes_that_all_renew_early_spend_one_token(church: Church, refreshers: Refreshers) -> None:
    connect(church, SOON)
    assert refreshers.run({**church.job, "processes": 6, "reads": 3}) == [0] * 6
    assert church.uses == ["spent"]


def test_the_one_that_renews_is_killed_while_others_wait_for_it(church: Church, refreshers: Refreshers) -> None:
    church.expire()
    ended = refreshers.run({**church.job, "processes": 4, "kill_at": "answered"})
    # One got that far. The others found its intention without an end.
    assert sorted(ended) == [KILLED, RECONNECT, RECONNECT, RECONNECT]
    assert church.uses == ["spent"]


def test_walks_of_several_processes_whose_tokens_end_every_few_requests(church: Church, refreshers: Refreshers) -> None:
    church.simulator.set_oauth_behaviour(OAuthBehaviour(access_requests=2))
    church.expire()
    entities = ["person", "household", "campus", "group"]
    assert refreshers.run({**church.job, "processes": 4, "entities": entities}) == [0] * 4
    assert church.simulator.oauth()["spent_twice"] == 0
    assert len(church.uses) > 5
    assert set(church.uses) == {"spent"}
    stored = fetch(church.database, "SELECT count(*) FROM openfaith.people WHERE org_id = %s", church.org)
    assert stored == [(PEOPLE,)]


@pytest.mark.parametrize("refusal", ["hint", "basic"])
def test_either_body_of_a_401_in_the_middle_of_a_walk_is_one_refresh(church: Church, refusal: Any) -> None:
    church.simulator.set_oauth_behaviour(OAuthBehaviour(refusal=refusal))
    church.read()
    church.expire()
    church.read(times=3)
    assert church.uses == ["spent"]


def test_a_token_is_renewed_before_its_end_so_that_nothing_is_refused(church: Church) -> None:
    connect(church, SOON)
    church.simulator.clear_requests()
    church.read(times=3)
    assert church.uses == ["spent"]
    assert [request["status"] for request in church.simulator.requests()] == [200, 200, 200, 200]
    (left,) = fetch(church.database, "SELECT expires_at - now() FROM sync.connections WHERE org_id = %s", church.org)
    assert timedelta(minutes=119) < left[0] <= HOURS
