"""Law 8: a refresh token is spent once, whoever comes when, and whatever ends them.

The simulator revokes the whole family of a token that is spent twice, and says so.
"""

import itertools
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from openfaith_sync.adapters.auth import MOST_UNUSED
from openfaith_sync.adapters.manifest_files import read_manifest
from openfaith_sync.adapters.oauth import OAuthEndpoints
from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connection import Connection, ConnectionStatus, OAuthClient, OAuthTokens
from openfaith_sync.domain.errors import AnswerLost, DefinitionError, ReconnectRequired, SyncError, TransientError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest import Manifest
from openfaith_sync.simulator.rate import parse_rate
from openfaith_sync.simulator.server import (
    Fault,
    OAuthBehaviour,
    RunningSimulator,
    SimulatorSettings,
    running_simulator,
)
from openfaith_sync.store.alerts import list_alerts
from openfaith_sync.store.connections import add_connection, load_connection
from openfaith_sync.store.database import Database
from openfaith_sync.store.tokens import REFRESH_STEPS, ConnectionTokens
from openfaith_sync_tests.laws.refresher import KILLED, MANIFESTS, PCO, RECONNECT, Refreshers
from openfaith_sync_tests.laws.sharing import CLIENT, watch
from openfaith_sync_tests.store.making import fetch, run

PEOPLE = 230
SCOPES = ("people", "groups")
HOURS = timedelta(hours=2)
SOON = timedelta(minutes=1)
"""Within the manifest's lead: such a token is renewed after the next answer."""
_names = itertools.count()

NOTHING_SENT = ("wait", "look", "begin")
MAY_BE_SPENT = ("send", "answered", "store")


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    settings = SimulatorSettings(people=PEOPLE, rate=parse_rate("1000000/20"))
    with running_simulator(settings, read_manifest(MANIFESTS, "pco")) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_usual(simulator: RunningSimulator) -> Iterator[None]:
    yield
    simulator.clear_oauth()
    simulator.clear_faults()


@pytest.fixture(scope="module")
def refreshers() -> Iterator[Refreshers]:
    with Refreshers() as running:
        yield running


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Church:
    """An org that is connected by OAuth."""

    org: OrgId
    grant: int
    database: Database
    simulator: RunningSimulator
    manifest: Manifest
    first: int = 0
    """The version that it began with."""

    @property
    def job(self) -> dict[str, Any]:
        keys = self.database.keys
        told = {"org": self.org, "database_url": self.database.libpq_url}
        return {**told, "home": str(keys.home), "keys": list(keys.given)}

    @property
    def connection(self) -> Connection:
        return load_connection(self.database, self.org, PCO)

    @property
    def uses(self) -> list[str]:
        return [use["outcome"] for use in self.simulator.oauth()["refreshes"] if use["grant"] == self.grant]

    def read(self, times: int = 1, **more: Any) -> None:
        """Read a few times in this process."""
        with (
            open_source(
                self.manifest, self.connection, watch(self.database, self.connection, **more), attempts=2
            ) as source,
        ):
            for _ in range(times):
                source.read_account()

    def expire(self) -> None:
        self.simulator.expire_tokens()


@pytest.fixture
def church(module_database: Database, simulator: RunningSimulator, pco_manifest: Manifest) -> Church:
    org = OrgId(f"church-{next(_names)}")
    return connect(Church(org, 0, module_database, simulator, pco_manifest), HOURS)


def connect(church: Church, lifetime: timedelta) -> Church:
    """Do what the end of `org connect` does."""
    (pair,) = church.simulator.issue_tokens(*SCOPES)
    tokens = OAuthTokens(pair["access_token"], pair["refresh_token"], lifetime, frozenset(SCOPES))
    add_connection(church.database, Connection(church.org, PCO, church.simulator.base_url, tokens))
    church.grant, church.first = pair["grant"], church.connection.version
    return church


@pytest.mark.parametrize("step", REFRESH_STEPS)
def test_killed_at_every_step_of_a_refresh(church: Church, refreshers: Refreshers, step: str):
    church.expire()
    assert refreshers.run({**church.job, "kill_at": step}) == [KILLED]
    again = refreshers.run({**church.job, "reads": 3})
    assert church.simulator.oauth()["spent_twice"] == 0
    if step in MAY_BE_SPENT:
        assert again == [RECONNECT]
        assert church.connection.status is ConnectionStatus.RECONNECT_NEEDED
        assert church.connection.status_reason is not None
        assert "may be spent" in church.connection.status_reason
        assert "was ended before the answer was stored" in church.connection.status_reason
    else:
        assert again == [0]
        assert church.connection.status is ConnectionStatus.ACTIVE
        assert church.connection.version == church.first + 1
    # Whatever it was: connected again, it goes on.
    connect(church, HOURS)
    assert refreshers.run(church.job) == [0]
    assert church.org not in {org for alert in list_alerts(church.database) for org in alert.orgs}


def test_every_step_is_one_or_the_other():
    assert {*NOTHING_SENT, *MAY_BE_SPENT, "stored"} == {*REFRESH_STEPS}


def test_killed_before_it_was_sent_the_access_token_is_used_to_its_end(church: Church, refreshers: Refreshers):
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
):
    for generation in range(1, 4):
        church.expire()
        assert refreshers.run({**church.job, "processes": processes, "reads": 3}) == [0] * processes
        assert church.uses == ["spent"] * generation
        assert church.connection.version == church.first + generation


def test_processes_that_all_renew_early_spend_one_token(church: Church, refreshers: Refreshers):
    connect(church, SOON)
    assert refreshers.run({**church.job, "processes": 6, "reads": 3}) == [0] * 6
    assert church.uses == ["spent"]


def test_the_one_that_renews_is_killed_while_others_wait_for_it(church: Church, refreshers: Refreshers):
    church.expire()
    ended = refreshers.run({**church.job, "processes": 4, "kill_at": "answered"})
    # One got that far. The others found its intention without an end.
    assert sorted(ended) == [KILLED, RECONNECT, RECONNECT, RECONNECT]
    assert church.uses == ["spent"]


def test_walks_of_several_processes_whose_tokens_end_every_few_requests(church: Church, refreshers: Refreshers):
    church.simulator.behave(OAuthBehaviour(access_requests=2))
    church.expire()
    entities = ["person", "household", "campus", "group"]
    assert refreshers.run({**church.job, "processes": 4, "entities": entities}) == [0] * 4
    assert church.simulator.oauth()["spent_twice"] == 0
    assert len(church.uses) > 5
    assert set(church.uses) == {"spent"}
    stored = fetch(church.database, "SELECT count(*) FROM openfaith.people WHERE org_id = %s", church.org)
    assert stored == [(PEOPLE,)]


@pytest.mark.parametrize("refusal", ["hint", "basic"])
def test_either_body_of_a_401_in_the_middle_of_a_walk_is_one_refresh(church: Church, refusal: Any):
    church.simulator.behave(OAuthBehaviour(refusal=refusal))
    church.read()
    church.expire()
    church.read(times=3)
    assert church.uses == ["spent"]


def test_a_token_is_renewed_before_its_end_so_that_nothing_is_refused(church: Church):
    connect(church, SOON)
    church.simulator.clear_requests()
    church.read(times=3)
    assert church.uses == ["spent"]
    assert [request["status"] for request in church.simulator.requests()] == [200, 200, 200, 200]
    (left,) = fetch(church.database, "SELECT expires_at - now() FROM sync.connections WHERE org_id = %s", church.org)
    assert timedelta(minutes=119) < left[0] <= HOURS


def test_the_database_fails_between_the_answer_and_the_store(church: Church):
    church.expire()
    pauses: list[float] = []

    def on_step(step: str) -> None:
        if step == "store":
            cut_off(church.database)

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            let_in(church.database)

    church.read(on_step=on_step, pause=pause)
    assert len(pauses) == 3
    assert church.uses == ["spent"]
    assert church.connection.version == church.first + 1
    church.read()


def cut_off(database: Database) -> None:
    """Have the database end every session and take no new one."""
    name = database.url.libpq.rpartition("/")[2].partition("?")[0]
    with elsewhere(database) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def let_in(database: Database) -> None:
    name = database.url.libpq.rpartition("/")[2].partition("?")[0]
    with elsewhere(database) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


def elsewhere(database: Database) -> Any:
    return psycopg.connect(database.url.with_database("postgres").libpq, autocommit=True)


def test_an_answer_that_was_lost_is_not_asked_for_again(church: Church):
    church.expire()
    church.simulator.fault(Fault(kind="reset", path="/oauth/token"))
    with pytest.raises(ReconnectRequired, match="the answer of Planning Center Online to the refresh_token was lost"):
        church.read()
    church.simulator.clear_faults()
    with pytest.raises(ReconnectRequired, match="may be spent"):
        church.read()
    assert church.uses == ["spent"]


@pytest.mark.parametrize("kind", ["truncated_json", "html_200"])
def test_an_answer_that_cannot_be_read_is_lost(church: Church, kind: Any):
    church.expire()
    church.simulator.fault(Fault(kind=kind, path="/oauth/token"))
    with pytest.raises(ReconnectRequired, match="may be spent"):
        church.read()
    assert church.uses == ["spent"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_source_that_says_it_did_nothing_is_asked_again(church: Church, status: int):
    church.expire()
    church.simulator.fault(Fault(kind="status", status=status, path="/oauth/token", times=1))
    church.read()
    assert church.uses == ["spent"]


@pytest.mark.parametrize("status", [408, 502, 504, 520, 524])
def test_what_a_gateway_says_leaves_open_what_the_source_did(church: Church, status: int):
    church.expire()
    church.simulator.fault(Fault(kind="status", status=status, path="/oauth/token", times=1))
    for _ in range(2):
        with pytest.raises(ReconnectRequired, match="may be spent"):
            church.read()
    # The simulator's 504 comes after it did what it was asked.
    assert church.uses == (["spent"] if status == 504 else [])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ReconnectRequired("revoked"), "refused"),
        (AnswerLost("no answer"), "lost"),
        (TransientError("busy"), "unspent"),
        (DefinitionError("another client"), "unspent"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_what_the_source_said_is_kept_though_the_session_broke_meanwhile(
    church: Church, error: SyncError, outcome: str
):
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            let_in(church.database)

    def exchange(_: OAuthTokens) -> OAuthTokens:
        cut_off(church.database)
        raise error

    tokens = ConnectionTokens(church.database, church.connection, pause=pause)
    with pytest.raises(type(error)) as raised:
        tokens.refresh(church.connection.version, exchange, is_refused=True)
    assert raised.value is error
    journal = fetch(church.database, "SELECT outcome, detail FROM sync.token_refreshes WHERE org_id = %s", church.org)
    assert journal == [(outcome, str(error))]
    assert len(pauses) == 2


def test_exchanges_that_failed_are_no_renewals(church: Church):
    church.expire()
    church.simulator.fault(Fault(kind="status", status=503, path="/oauth/token", times=MOST_UNUSED + 1))
    with open_source(
        church.manifest, church.connection, watch(church.database, church.connection), attempts=1
    ) as source:
        for _ in range(MOST_UNUSED + 1):
            with pytest.raises(TransientError):
                source.read_account()
        source.read_account()
    assert church.connection.status is ConnectionStatus.ACTIVE
    assert church.uses == ["spent"]


def test_a_token_that_cannot_be_renewed_early_is_used_to_its_end(church: Church):
    connect(church, SOON)
    wrong = watch(church.database, church.connection, OAuthClient("demo-client", "wrong"))
    with open_source(church.manifest, church.connection, wrong) as source:
        source.read_account()
        church.expire()
        with pytest.raises(DefinitionError, match="OPENFAITH_PCO_CLIENT_SECRET"):
            source.read_account()


def test_a_source_that_is_not_there_got_nothing(church: Church, free_port: int):
    point_to(church, f"http://127.0.0.1:{free_port}")
    tokens = ConnectionTokens(church.database, church.connection)
    endpoints = OAuthEndpoints(church.manifest.adapter_file, church.connection.base_url, CLIENT)
    with pytest.raises(TransientError, match="ConnectError"):
        tokens.refresh(church.first, lambda held: endpoints.refresh(held.refresh_token, held.scopes), is_refused=True)
    journal = fetch(church.database, "SELECT outcome FROM sync.token_refreshes WHERE org_id = %s", church.org)
    assert journal == [("unspent",)]
    assert church.connection.status is ConnectionStatus.ACTIVE


def point_to(church: Church, url: str) -> None:
    run(church.database, "UPDATE sync.connections SET base_url = %s WHERE org_id = %s", url, church.org)


def test_a_client_that_the_source_does_not_know_is_not_the_orgs_fault(church: Church):
    church.expire()
    with (
        open_source(
            church.manifest,
            church.connection,
            watch(church.database, church.connection, OAuthClient("demo-client", "wrong")),
        ) as source,
        pytest.raises(DefinitionError, match="OPENFAITH_PCO_CLIENT_SECRET"),
    ):
        source.read_account()
    assert church.connection.status is ConnectionStatus.ACTIVE
    church.read()


def test_a_process_with_old_credentials_takes_the_new_ones_and_marks_nothing(church: Church):
    old = church.connection
    with (
        open_source(church.manifest, old, watch(church.database, old)) as source,
    ):
        church.simulator.revoke_grants([church.grant])
        connect(church, HOURS)
        source.read_account()
    assert church.connection.status is ConnectionStatus.ACTIVE
    assert church.uses == []


def test_new_credentials_for_elsewhere_are_not_shown_to_the_old_source(church: Church):
    old = church.connection
    with (
        open_source(church.manifest, old, watch(church.database, old), attempts=1) as source,
    ):
        church.expire()
        point_to(church, "https://other.example")
        with pytest.raises(TransientError, match="begin again"):
            source.read_account()
    assert church.uses == []
