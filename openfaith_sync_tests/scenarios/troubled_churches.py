"""Five churches of one deployment, to each of which something else happens, and what people then see of it."""

import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx

from openfaith_sync.defs.checks.check_names import CONNECTION, CONNECTION_CHECKS, ENTITY_CHECKS
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection, Credentials, OAuthTokens
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.problems.problem import ProblemKind
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync_tests.alert_receiver import AlertReceiver
from openfaith_sync_tests.defs.conftest import Deployment
from openfaith_sync_tests.forking import TextFork, command_line
from openfaith_sync_tests.scenarios.churches import PCO
from openfaith_sync_tests.ten_entities import MANIFESTS

REVOKED, AWAY, EMPTIED, MISREAD, FAILING = map(OrgId, ("revoked", "away", "emptied", "misread", "failing"))
ORGS = (REVOKED, AWAY, EMPTIED, MISREAD, FAILING)
PEOPLE = 30
SCOPES = frozenset({"people", "groups"})
COMMAND_SECONDS = 120
PROGRAM = Path(sys.executable).with_name("openfaith-sync")
RIGHT = "primary_contact: {target: person, resource: Person, to: primary_contact_id, always: true}"
WRONG = RIGHT.replace("resource: Person", "resource: Person, nullable: false")
"""A mistake in the manifest: that every household has a primary contact."""

Check = tuple[str, str]
"""The last part of an asset's key, and the name of one of its checks."""


@dataclass
class TroubledChurches:
    """The churches, and the deployment that copies them."""

    deployment: Deployment
    database: Database
    receiver: AlertReceiver
    simulators: Mapping[OrgId, RunningSimulator]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process of the deployment."""
        simulator = self.simulators[REVOKED]
        return {
            **self.deployment.environment,
            "OPENFAITH_MANIFESTS": str(self.manifests),
            "OPENFAITH_ALERT_URLS": self.receiver.url,
            "OPENFAITH_PCO_CLIENT_ID": simulator.client_id,
            "OPENFAITH_PCO_CLIENT_SECRET": simulator.client_secret,
        }

    @property
    def manifests(self) -> Path:
        """The deployment's own manifests."""
        return self.deployment.folder / "manifests"

    def connect_all(self) -> None:
        """Do what `org connect` and `org add` do."""
        for org, simulator in self.simulators.items():
            credentials: Credentials = BasicCredentials(simulator.application_id, simulator.secret)
            if org == REVOKED:
                (pair,) = simulator.issue_tokens(*SCOPES)
                credentials = OAuthTokens(pair["access_token"], pair["refresh_token"], timedelta(hours=2), SCOPES)
            add_connection(self.database, Connection(org, PCO, simulator.base_url, credentials))

    def mistake(self) -> None:
        """Copy the manifests, with a mistake."""
        shutil.copytree(MANIFESTS, self.manifests)
        self._rewrite(RIGHT, WRONG)

    def correct(self) -> None:
        """Correct the mistake."""
        self._rewrite(WRONG, RIGHT)

    def command(self, line: str) -> tuple[int, str, str]:
        """Run a command as it was told, and return its exit status, its output and its errors."""
        process = self._start(line)
        try:
            output, errors = process.communicate(timeout=COMMAND_SECONDS)
            return process.wait(), output, errors
        finally:
            process.close()

    def run(self, line: str) -> str:
        """Run a command that must succeed, and return all that it prints."""
        status, output, errors = self.command(line)
        assert status == 0, f"{line}: {output}{errors}"
        return output + errors

    def consent(self, line: str) -> None:
        """Run a command that connects an org, follow its link, and paste the code that the source shows."""
        process = self._start(f"{line} --paste")
        try:
            link = process.stdout.readline().strip()
            code = re.search(r"Your code: (\w+)", httpx.get(link, trust_env=False).text) if link else None
            _, errors = process.communicate(f"{code[1] if code else ''}\n", timeout=COMMAND_SECONDS)
            assert process.wait() == 0, errors
        finally:
            process.close()

    def make_due(self, mode: str, *orgs: OrgId) -> None:
        """Make planned work due now: nobody waits here for a quarter of an hour, or for the night."""
        # What was compared today is not compared again tonight.
        self.execute(
            "UPDATE sync.checkpoints SET compared_at = compared_at - interval '8 days', "
            "whole_at = whole_at - interval '8 days' WHERE %s = 'reconciliation' AND org_id = ANY (%s)",
            mode, list(orgs),
        )  # fmt: skip
        self.execute(
            "UPDATE sync.work SET not_before = now() WHERE mode = %s AND org_id = ANY (%s) AND run_key IS NULL",
            mode, list(orgs),
        )  # fmt: skip

    def execute(self, statement: str, *parameters: object) -> None:
        """Execute a statement over all orgs."""
        with self.database.connect_fleet() as session:
            session.execute(statement.encode(), parameters)

    def fetch(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query over all orgs."""
        with self.database.connect_fleet() as session:
            return session.execute(statement.encode(), parameters).fetchall()

    def live_addresses(self, org: OrgId) -> int:
        """Return how many e-mail addresses of an org are stored and not deleted."""
        query = "SELECT count(*) FROM openfaith.emails WHERE org_id = %s AND deleted_at IS NULL"
        return int(self.fetch(query, org)[0][0])

    def commands_told(self) -> dict[str, str]:
        """Return the first command of each message that an alert opened with, by the message's title."""
        return {
            message["title"]: re.findall(r"^  (openfaith-sync .+)$", message["message"], re.MULTILINE)[0]
            for message in self.receiver.messages
            if not message["title"].startswith("RECOVERED")
        }

    def _start(self, line: str) -> TextFork:
        program, *words = shlex.split(line)
        assert program == PROGRAM.name
        return command_line().open([str(PROGRAM), *words], environment=self.environment, folder=self.deployment.folder)

    def _rewrite(self, before: str, after: str) -> None:
        module = self.manifests / PCO / "people.yaml"
        text = module.read_text()
        assert text.count(before) == 1
        module.write_text(text.replace(before, after))


@contextmanager
def troubled_churches(
    deployment: Deployment, receiver: AlertReceiver, manifest: Manifest
) -> Iterator[TroubledChurches]:
    """Run the churches, each of its own seed, and connect them."""
    with ExitStack() as stack:
        simulators = {
            org: stack.enter_context(
                running_simulator(SimulatorSettings(people=PEOPLE, seed=seed, rate=None), manifest)
            )
            for seed, org in enumerate(ORGS, start=1)
        }
        database = stack.enter_context(open_database(deployment.settings))
        churches = TroubledChurches(deployment, database, receiver, simulators)
        churches.mistake()
        churches.connect_all()
        yield churches


def failed_checks(instance: dg.DagsterInstance) -> dict[OrgId, set[Check]]:
    """Return the checks that failed last of each partition, of the connection and of the entities with any."""
    entities = ("email", "household", "campus", "person")
    checks = [(str(CONNECTION), kind) for kind in CONNECTION_CHECKS]
    checks += [(entity, kind) for entity in entities for kind in ENTITY_CHECKS]
    failed: dict[OrgId, set[Check]] = {org: set() for org in ORGS}
    for asset, kind in checks:
        key = dg.AssetCheckKey(asset_key(PCO, EntityName(asset)), kind.value)
        seen: Counter[str] = Counter()
        for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=60):
            org = str(record.partition)
            seen[org] += 1
            if seen[org] == 1 and record.status.value == "FAILED":
                failed[OrgId(org)].add((asset, kind.value))
    return failed


def of_connection(kind: ProblemKind) -> Check:
    """Return the check of a connection that shows problems of a kind."""
    return (str(CONNECTION), kind.value)


def daemon_command() -> list[str]:
    """Return the command of the daemon, which starts the code server itself."""
    return [str(Path(sys.executable).with_name("dagster-daemon")), "run"]
