"""Law 8: no secret is in a log, an error, an event, a page, a row, a traceback or a ``repr``.

Secrets that nobody could have by chance are planted everywhere, what this project does is done in real
processes, well and badly, and then everything that came out is searched: as it is, in base64, quoted for URLs.
"""

import base64
import logging
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.domain.connections.connection import (
    BasicCredentials,
    BearerToken,
    Connection,
    Credentials,
    OAuthClient,
    OAuthTokens,
)
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.sessions.opening import open_shared_source
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.connections.connections import add_connection, load_connection
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions
from openfaith_sync_tests.forking import command_line
from openfaith_sync_tests.store.making import PCO
from openfaith_sync_tests.ten_entities import MANIFESTS, ROOT

PROGRAM = Path(sys.executable).with_name("openfaith-sync")
GRACE, HOPE = OrgId("grace"), OrgId("hope")
BASIC, WRONG, PASSWORD, CLIENT = (f"planted-{name}-7f3a9c" for name in ("basic", "wrong", "password", "client"))
KEYS = tuple(Fernet.generate_key().decode() for _ in range(2))


@dataclass
class Searched:
    """What came out, by where from, and what must not be in it."""

    secrets: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def findings(self) -> list[str]:
        """Return which secret is found where."""
        forms = {name: _forms(secret) for name, secret in self.secrets.items()}
        return [
            f"{name} is in {place}: …{text[max(0, text.index(form) - 150) : text.index(form) + 20]}…"
            for place, text in self.outputs.items()
            for name, found in forms.items()
            for form in found
            if form in text
        ]


def _forms(secret: str) -> set[str]:
    """Return a secret as it is and as it may be written elsewhere; base64 begins at any of three places."""
    secret = str(secret)  # some hide from their own repr
    found = {secret, quote(secret, safe=""), repr(secret)[1:-1], secret.encode().hex()}
    for lead in range(3):
        encoded = base64.b64encode(b"x" * lead + secret.encode()).decode()
        # What stands beside a secret changes the first and the last of these.
        found.add(encoded[4 if lead else 0 : -4])
    return found


@dataclass
class Deployment:
    """A deployment in a folder of its own, whose every secret is planted."""

    folder: Path
    database: Database
    environment: dict[str, str]
    searched: Searched

    def run(self, *words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        done = command_line().run(
            [str(PROGRAM), *words],
            environment=self.environment | more, folder=self.folder, stdin=stdin, timeout=120,
        )  # fmt: skip
        return self.kept(words, done)

    def materialize(self, org: str) -> subprocess.CompletedProcess[str]:
        module = ("-m", "openfaith_sync.definitions")
        words = ("asset", "materialize", *module, "--select", "pco/campus", "--partition", org)
        done = subprocess.run(
            [PROGRAM.with_name("dagster"), *words], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        return self.kept(words, done)

    def kept(self, words: Sequence[str], done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
        """Return a process that ended, whose output is searched."""
        self.keep(" ".join(words), done.stdout + done.stderr)
        return done

    def keep(self, place: str, text: str) -> None:
        """Add an output to the search; two of one place are both searched."""
        self.searched.outputs[place] = self.searched.outputs.get(place, "") + text


@pytest.fixture(scope="module")
def church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    settings = SimulatorSettings(people=12, rate=None, secret=BASIC, client_secret=CLIENT)
    with running_simulator(settings, pco_manifest) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def deployment(
    module_database: Database, church: RunningSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    folder = tmp_path_factory.mktemp("planted")
    for name in ("dagster.yaml", "workspace.yaml"):
        (folder / name).symlink_to(ROOT / name)
    # The server asks no password of us, and takes no offence at one.
    parts = urlsplit(module_database.libpq_url)
    user, _, place = parts.netloc.rpartition("@")
    url = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{PASSWORD}@{place}"))
    database = Database(DatabaseUrl(url), SecretKeys(folder, KEYS), {PCO: OAuthClient("demo-client", CLIENT)})
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("OPENFAITH_", "DAGSTER_"))}
    environment = ours | {
        "DAGSTER_HOME": str(folder),
        "OPENFAITH_HOME": str(folder / "home"),
        "OPENFAITH_MANIFESTS": str(MANIFESTS),
        "OPENFAITH_DATABASE_URL": url,
        "OPENFAITH_SECRET_KEYS": ",".join(KEYS),
        "OPENFAITH_PUBLIC_URL": "https://sync.example.org",
        "OPENFAITH_PCO_CLIENT_ID": "demo-client",
        "OPENFAITH_PCO_CLIENT_SECRET": CLIENT,
    }
    planted = {"the basic secret": BASIC, "a refused secret": WRONG, "the database's password": PASSWORD}
    planted |= {"the client's secret": CLIENT, "the newest key": KEYS[0], "the old key": KEYS[1]}
    return Deployment(folder, database, environment, Searched(planted))


@contextmanager
def serving(deployment: Deployment) -> Iterator[str]:
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", "0"], cwd=deployment.folder, env=deployment.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    said = process.stdout.readline()
    try:
        found = re.search(r"http://\S+", said)
        assert found, said
        yield found[0]
    finally:
        process.terminate()
        deployment.keep("serve", said + "".join(process.communicate(timeout=40)))


def connect_by_oauth(deployment: Deployment, church: RunningSimulator) -> None:
    words = ["org", "connect", HOPE, "--base-url", church.base_url, "--paste"]
    process = subprocess.Popen(
        [PROGRAM, *words], cwd=deployment.folder, env=deployment.environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    link = process.stdout.readline()
    found = re.search(r"Your code: (\w+)", httpx.get(link.strip(), trust_env=False).text)
    assert found
    deployment.searched.secrets["the code"] = found[1]
    deployment.keep("org connect", link + "".join(process.communicate(found[1] + "\n", timeout=60)))
    assert process.returncode == 0
    with deployment.database.connect(HOPE) as session:
        (verifier,) = session.execute("SELECT verifier FROM sync.authorizations").fetchall()[0]
    deployment.searched.secrets["the verifier"] = deployment.database.keys.decrypt(verifier, "x").decode()
    know_tokens(deployment)


def know_tokens(deployment: Deployment) -> None:
    held = load_connection(deployment.database, HOPE, PCO).credentials
    assert isinstance(held, OAuthTokens)
    number = len(deployment.searched.secrets)
    deployment.searched.secrets[f"access token {number}"] = held.access_token
    deployment.searched.secrets[f"refresh token {number}"] = held.refresh_token


def know_webhook_secrets(deployment: Deployment) -> None:
    with open_subscriptions(deployment.database, GRACE, PCO) as store:
        for name, held in store.load().items():
            deployment.searched.secrets[f"webhook secret of {name}"] = held.secret


@pytest.fixture(scope="module")
def done(deployment: Deployment, church: RunningSimulator) -> Deployment:
    """The same after it did everything that it can do, well and badly."""
    at = ("--base-url", church.base_url)
    assert deployment.run("org", "add", GRACE, "--basic-stdin", *at, stdin=f"demo:{BASIC}\n").returncode == 0
    assert deployment.run("org", "add", "other", "--basic-stdin", *at, stdin=f"demo:{WRONG}\n").returncode == 1
    assert deployment.run("org", "add", "other", "--basic-stdin", *at, stdin=f"{WRONG}\n").returncode == 2
    assert deployment.run("sync", GRACE).returncode == 0
    assert deployment.run("webhooks", "ensure", GRACE).returncode == 0
    assert deployment.run("webhooks", "rotate", GRACE).returncode == 0
    know_webhook_secrets(deployment)
    connect_by_oauth(deployment, church)
    church.expire_tokens()
    assert deployment.run("sync", HOPE).returncode == 0
    know_tokens(deployment)
    look(deployment)
    fail(deployment, church)
    be_asked_badly(deployment)
    keep_what_lies_around(deployment)
    return deployment


def look(deployment: Deployment) -> None:
    for words in (
        ("status",), ("status", GRACE, "--json"), ("org", "list", "--json"), ("webhooks", "status", GRACE),
        ("secrets", "status"), ("secrets", "rotate"), ("db", "url"), ("holds", "list"),
        ("db", "query", "SELECT * FROM sync.connections"), ("db", "query", "SELECT * FROM sync.webhook_subscriptions"),
        ("db", "query", "SELECT 1/0"), ("db", "query", "SELECT pg_sleep('x')"),
    ):  # fmt: skip
        deployment.run(*words)


def fail(deployment: Deployment, church: RunningSimulator) -> None:
    """Run Dagster and the commands into failures, each of its own kind."""
    # One that no retry heals, so that nothing waits.
    church.fault(Fault(kind="status", status=404, path="/people/v2/campuses"))
    assert deployment.materialize(GRACE).returncode != 0
    assert deployment.run("sync", GRACE).returncode != 0
    church.clear_faults()
    church.revoke_grants()
    assert deployment.materialize(HOPE).returncode != 0
    assert deployment.run("sync", HOPE).returncode != 0
    away = f"postgresql://church:{PASSWORD}@127.0.0.1:1/church"
    for url in (away, f"mysql://church:{PASSWORD}@x/y", f"postgresql://church:{PASSWORD}@127.0.0.1:1/x?colour=red"):
        assert deployment.run("status", OPENFAITH_DATABASE_URL=url).returncode == 1
    assert deployment.run("sync", GRACE, OPENFAITH_SECRET_KEYS=Fernet.generate_key().decode()).returncode == 1
    assert deployment.run("sync", GRACE, OPENFAITH_SECRET_KEYS=KEYS[0][:-4]).returncode == 1


def be_asked_badly(deployment: Deployment) -> None:
    """Send secrets to places where they do not belong; other programs log some of them."""
    planted = deployment.searched.secrets
    secret = next(value for name, value in planted.items() if name.startswith("webhook"))
    with serving(deployment) as url, httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        for path in (
            "/health", f"/{secret}", f"/webhooks/pco/{secret}", f"/webhooks/{secret}/{GRACE}?secret={secret}",
            f"/oauth/callback?code={planted['the code']}&state=pco.{HOPE}.nothing",
            "/oauth/callback?state=%00&code=%ff",
        ):  # fmt: skip
            for method in ("GET", "POST"):
                answer = client.request(method, path, content=secret, headers={"X-PCO-Webhooks-Authenticity": secret})
                deployment.keep(f"{method} of a stranger", f"{answer.headers}{answer.text}")


def keep_what_lies_around(deployment: Deployment) -> None:
    """Add every table and every file to the search: ours, Dagster's, and those beside them."""
    with psycopg.connect(deployment.database.libpq_url) as session:
        tables = session.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('openfaith', 'sync', 'dagster')"
        ).fetchall()
        assert {schema for schema, _ in tables} == {"openfaith", "sync", "dagster"}
        session.execute("SET bytea_output = 'escape'")
        for name in tables:
            rows = session.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*name))).fetchall()
            deployment.keep(".".join(name), "\n".join(row[0] for row in rows))
    for path in deployment.folder.rglob("*"):
        if path.is_file():
            deployment.keep(f"the file {path.name}", path.read_bytes().decode(errors="replace"))


def test_what_was_done_came_out(done: Deployment) -> None:
    """The search has something to search in: a word that is no secret is found in every kind of output."""
    assert (
        "Failure" in done.searched.outputs["dagster.event_logs"]
        or "failed" in done.searched.outputs["dagster.event_logs"]
    )
    assert GRACE in done.searched.outputs["sync.connections"]
    assert "openfaith-sync:" in done.searched.outputs[f"sync {GRACE}"]
    assert len(done.searched.secrets) > 14
    assert len(done.searched.outputs) > 60


def test_no_secret_is_found_in_what_came_out(done: Deployment) -> None:
    assert done.searched.findings() == []


def test_the_search_finds_what_is_there(done: Deployment) -> None:
    """Each secret, planted in an output in each of its forms, is found there."""
    for name, secret in done.searched.secrets.items():
        basic = base64.b64encode(f"demo:{secret}".encode()).decode()
        for text in (f"x{secret}y", f"Authorization: Basic {basic}", quote(secret, safe=""), secret.encode().hex()):
            assert replace(done.searched, outputs={"a log": text}).findings(), (name, text)


def raising(call: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011  whichever it is: what it shows is looked at
        call()
    return caught.value


def our_frames(error: BaseException) -> str:
    """Return a traceback as error trackers keep it: with what each of our functions held."""
    found = []
    shown: BaseException | None = error
    while shown is not None:
        told = traceback.TracebackException.from_exception(shown, capture_locals=True)
        found += [f"{frame.name} {frame.locals}" for frame in told.stack if "/openfaith_sync/" in frame.filename]
        found.append("".join(traceback.format_exception(shown)))
        shown = shown.__cause__ or shown.__context__
    return "\n".join(found)


def test_no_traceback_shows_a_secret_even_with_what_functions_held(done: Deployment, pco_manifest: Manifest) -> None:
    away = replace(done.database, url=DatabaseUrl(f"postgresql://church:{PASSWORD}@127.0.0.1:1/church"))
    kept: dict[str, Credentials] = {"basic": BasicCredentials("demo", BASIC), "bearer": BearerToken(WRONG)}
    held = load_connection(done.database, HOPE, PCO).credentials
    assert isinstance(held, OAuthTokens)
    settings = Settings.from_environment(done.environment | {"OPENFAITH_DATABASE_URL": away.libpq_url})
    calls: dict[str, Callable[[], object]] = {"open": lambda: open_database(settings)}
    for name, credentials in {**kept, "oauth": held}.items():
        connection = Connection(GRACE, PCO, "http://127.0.0.1:1", credentials)
        calls[f"add {name}"] = partial(add_connection, away, connection)
        calls[f"read {name}"] = partial(read_away, done.database, pco_manifest, connection)
    endpoints = OAuthEndpoints(pco_manifest.adapter_file, "http://127.0.0.1:1", OAuthClient("demo-client", CLIENT))
    calls["refresh"] = lambda: endpoints.refresh(held.refresh_token, held.scopes)
    other = replace(done.database, keys=SecretKeys(done.folder, (KEYS[0][:-4],)))
    calls["load"] = lambda: load_connection(other, GRACE, PCO)
    found = {name: our_frames(raising(call)) for name, call in calls.items()}
    assert "\n".join(replace(done.searched, outputs=found).findings()) == ""


def read_away(database: Database, manifest: Manifest, connection: Connection) -> None:
    with open_shared_source(database, manifest, connection, attempts=1) as source:
        source.read_account()


def test_libraries_that_log_addresses_and_headers_are_quiet() -> None:
    for name in ("httpx", "httpcore.http11", "httpcore.connection"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_no_repr_shows_a_secret(done: Deployment) -> None:
    held = load_connection(done.database, HOPE, PCO)
    shown = [done.database, Settings.from_environment(done.environment), held, done.database.keys, done.database.url]
    with open_subscriptions(done.database, GRACE, PCO) as store:
        shown.append(store.load())
    assert replace(done.searched, outputs={str(n): repr(one) for n, one in enumerate(shown)}).findings() == []


def test_no_error_of_the_database_shows_a_value(done: Deployment) -> None:
    # A session of one org is told no row at all: row-level security keeps it from the message too.
    with pytest.raises(SyncError) as caught, done.database.connect_fleet() as session:
        session.execute(
            "INSERT INTO sync.orgs (org_id, time_zone, deletion_count) VALUES (%s, %s, NULL)", (GRACE, BASIC)
        )
    assert replace(done.searched, outputs={"an error": our_frames_of_ours(caught.value)}).findings() == []


def our_frames_of_ours(error: BaseException) -> str:
    """Return a traceback as Python prints it and Dagster stores it: causes too, unless they are kept back."""
    return "".join(traceback.format_exception(error))
