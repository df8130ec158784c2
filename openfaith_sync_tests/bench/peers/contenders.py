"""The contenders: how each is started, and with what."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.fernet import Fernet

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import open_database
from openfaith_sync_tests.bench.our_tables import ENTITIES
from openfaith_sync_tests.bench.peers.environments import SCRIPTS, python_of
from openfaith_sync_tests.ten_entities import MANIFESTS

ORG = OrgId("church")
_KEY = Fernet.generate_key().decode()
_SIDELOAD = "    sideload:"


class Case(StrEnum):
    """Where the children of people come from."""

    LISTED = "each entity listed"
    INCLUDED = "children ride along"


class Phase(StrEnum):
    """What a run finds."""

    FIRST = "first sync"
    AGAIN = "everything listed again"
    UNCHANGED = "nothing has changed"
    CHANGED = "200 people have changed"

    @property
    def is_only_changes(self) -> bool:
        """Return whether only changes are asked for."""
        return self in (Phase.UNCHANGED, Phase.CHANGED)


@dataclass(frozen=True, slots=True)
class Job:
    """One contender's copy of the church: where it reads, where it writes, and what it keeps between runs."""

    base_url: str
    database_url: str
    """With a host and a password that nobody looks at: dlt demands both."""
    folder: Path
    case: Case

    def describe(self, phase: Phase) -> str:
        """Return the job as the scripts take it."""
        return json.dumps(
            {
                "base_url": self.base_url,
                "database_url": self.database_url,
                "folder": str(self.folder),
                "is_included": self.case is Case.INCLUDED,
                "is_first": phase is Phase.FIRST,
                "is_only_changes": phase.is_only_changes,
            }
        )


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to copy the church."""

    label: str
    commands: Callable[[Job, Phase], list[list[str]]]
    """What to run, each one's output the next one's input; also writes the files that it reads."""
    begin: Callable[[Job], None] = lambda _: None
    """What is done once before the first sync, and not measured."""
    environment: Callable[[Job], dict[str, str]] = lambda _: {}
    prepare: Callable[[], object] = field(default=lambda: None)
    """Makes its virtual environment."""
    cases: tuple[Case, ...] = tuple(Case)


def _script(name: str, requirements: str) -> Callable[[Job, Phase], list[list[str]]]:
    def commands(job: Job, phase: Phase) -> list[list[str]]:
        return [[str(python_of(requirements)), str(SCRIPTS / name), job.describe(phase)]]

    return commands


def _dlt_environment(job: Job) -> dict[str, str]:
    return {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(job.folder / "dlt")}


def _singer_commands(job: Job, phase: Phase) -> list[list[str]]:
    python = python_of("requirements-singer.txt")
    tap, target, state = (job.folder / f"{name}.json" for name in ("tap", "target", "state"))
    is_included = job.case is Case.INCLUDED
    tap_config = {
        "base_url": job.base_url,
        "is_included": is_included,
        "is_only_changes": phase.is_only_changes,
    }
    tap.write_text(json.dumps(tap_config))
    target_config = {
        "sqlalchemy_url": job.database_url.replace("postgresql:", "postgresql+psycopg:"),
        "default_target_schema": "church",
        # The target's fastest settings.
        "use_copy": True,
        "add_record_metadata": False,
        "activate_version": False,
    }
    target.write_text(json.dumps(target_config))
    output = job.folder / "output"
    if output.exists() and (lines := output.read_text().splitlines()):
        state.write_text(lines[-1])
    given = ["--state", str(state)] if phase.is_only_changes and state.exists() else []
    return [
        [str(python), str(SCRIPTS / "tap_church.py"), "--config", str(tap), *given],
        [str(python.with_name("target-postgres")), "--config", str(target)],
    ]


def _singer_environment(_: Job) -> dict[str, str]:
    # A line of metrics for each request otherwise, and with children one for each person.
    return {"TAP_CHURCH_LOGLEVEL": "WARNING", "TARGET_POSTGRES_LOGLEVEL": "WARNING"}


def _engine_begin(job: Job) -> None:
    """Write the manifests of this case, migrate the database and connect the church: once in a deployment's life."""
    manifests = job.folder / "manifests"
    shutil.copytree(MANIFESTS, manifests)
    if job.case is Case.LISTED:
        people = manifests / "pco" / "people.yaml"
        lines = people.read_text().splitlines(keepends=True)
        people.write_text("".join(line for line in lines if not line.startswith(_SIDELOAD)))
    manifest = read_manifest(manifests, "pco")
    database = open_database(Settings(job.folder, manifests, job.database_url, (_KEY,)))
    add_connection(database, Connection(ORG, manifest.adapter, job.base_url, BasicCredentials("demo", "demo")))


def _engine_commands(_: Job, phase: Phase) -> list[list[str]]:
    entities = [argument for entity in ENTITIES.values() for argument in ("--entity", entity)]
    mode = "auto" if phase.is_only_changes else "full"
    return [[str(Path(sys.executable).with_name("openfaith-sync")), "sync", ORG, *entities, "--mode", mode, "--json"]]


def _engine_environment(job: Job) -> dict[str, str]:
    return {
        "OPENFAITH_HOME": str(job.folder),
        "OPENFAITH_MANIFESTS": str(job.folder / "manifests"),
        "OPENFAITH_DATABASE_URL": job.database_url,
        "OPENFAITH_SECRET_KEYS": _KEY,
    }


CONTENDERS = {
    "engine": Contender("this engine", _engine_commands, _engine_begin, _engine_environment),
    "bare": Contender(
        "bare script",
        _script("bare_copy.py", "requirements-bare.txt"),
        prepare=lambda: python_of("requirements-bare.txt"),
    ),
    "dlt-arrow": Contender(
        "dlt, Arrow",
        _script("dlt_arrow.py", "requirements-dlt.txt"),
        environment=_dlt_environment,
        prepare=lambda: python_of("requirements-dlt.txt"),
    ),
    "dlt-rest": Contender(
        "dlt, REST source",
        _script("dlt_rest.py", "requirements-dlt.txt"),
        environment=_dlt_environment,
        prepare=lambda: python_of("requirements-dlt.txt"),
    ),
    "singer": Contender(
        "Singer",
        _singer_commands,
        environment=_singer_environment,
        prepare=lambda: python_of("requirements-singer.txt"),
    ),
}


def environment_of(contender: Contender, job: Job) -> dict[str, str]:
    """Return the environment of a contender's processes: this one's, without what could lead them elsewhere."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PG", "OPENFAITH_", "PYTHON"))
    }
    return inherited | contender.environment(job)
