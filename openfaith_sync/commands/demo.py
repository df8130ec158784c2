"""``demo``: a simulated church, synced through Dagster's asset graph into PostgreSQL, and checked."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.demo_check import Church
from openfaith_sync.commands.demo_run import DEFINITIONS, materialize
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.partition import open_partitions
from openfaith_sync.commands.printing import print_rows
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.admin.reports import read_rows
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import open_database

ADAPTER = AdapterName("pco")
PEOPLE = 2000
LOOK = "select first_name, last_name, status from openfaith.people limit 5"
COLUMNS = ("entity", "source", "stored", "created", "dead_letters", "seconds")


@click.command()
@click.option(
    "--people", type=click.IntRange(1, 1_000_000), default=PEOPLE, show_default=True, help="The church's size."
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The simulator's port.  [default: a free one]")
@click.option(
    "--rate",
    default="1000/20",
    show_default=True,
    help="Requests/seconds that the church allows, or off; Planning Center Online itself: 100/20.",
)
@pass_deployment
def demo(deployment: Deployment, people: int, port: int, rate: str) -> None:
    """Sync a simulated church through Dagster into PostgreSQL, and prove it right.

    Starts all it needs and leaves the data, so that the Dagster UI has
    something to show. The second time nothing is created.

    \b
    Example: openfaith-sync demo --people 500
    """  # noqa: D301  click's sign for lines that stay as they are
    manifest = read_manifest(deployment.settings.manifests, ADAPTER)
    settings = SimulatorSettings(people=people, port=port, rate=parse_rate(rate))
    # Another size is another church: its ids mean other people.
    org = OrgId("demo" if people == PEOPLE else f"demo-{people}")
    click.echo(f"inventing a church of {people:,} people")
    with (
        running_simulator(settings, manifest) as simulator,
        open_database(deployment.settings) as database,
    ):
        with open_partitions(deployment) as partitions:
            add_connection(database, _connection(org, simulator))
            partitions.register(org)
        church = Church(org, ADAPTER, lambda statement: list(read_rows(database, org, statement)))
        before = {name: set(church.stored(entity)) for name, entity in manifest.entities.items()}
        click.echo(f"syncing it as org {org}: dagster asset materialize --select '*' --partition {org}")
        seconds = materialize(deployment, ADAPTER, org, click.echo)
        rows, disagreements = _compare(manifest, simulator, church, before, seconds)
    click.echo()
    print_rows(rows, COLUMNS, as_json=False)
    if disagreements:
        raise SafetyStop(
            "the copy does not agree with the simulator's truth:\n  "
            + "\n  ".join(disagreements)
            + "\nif the simulator changed since the last demo, remove the old copy with: make clean"
        )
    click.echo(_ending(deployment, org, simulator, people))


def _connection(org: OrgId, simulator: RunningSimulator) -> Connection:
    credentials = BasicCredentials(simulator.application_id, simulator.secret)
    return Connection(org, ADAPTER, simulator.base_url, credentials)


def _compare(
    manifest: Manifest,
    simulator: RunningSimulator,
    church: Church,
    before: dict[EntityName, set[str]],
    seconds: dict[EntityName, float],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the table's rows, and all in which our copy differs from the truth."""
    rows, disagreements = [], []
    for name in manifest.graph.entities:
        entity, truth = manifest.entities[name], simulator.truth(name)
        stored, dead = church.stored(entity), church.dead_letters(name)
        disagreements += church.disagreements(entity, truth, stored, dead)
        rows.append(
            {
                "entity": f"{manifest.adapter}/{name}",
                "source": len(truth),
                "stored": len(stored),
                "created": len(stored.keys() - before[name]),
                "dead_letters": dead,
                "seconds": seconds.get(name),
            }
        )
    return rows, disagreements


def _ending(deployment: Deployment, org: OrgId, simulator: RunningSimulator, people: int) -> str:
    tool = Path(sys.argv[0])
    dagster, port = tool.with_name("dagster"), urlsplit(simulator.base_url).port
    home, is_here = deployment.dagster_home, deployment.dagster_home == Path.cwd()
    # Beside dagster.yaml lies workspace.yaml, which names the definitions.
    dev = f"DAGSTER_HOME=$PWD {dagster} dev" if is_here else f"DAGSTER_HOME={home} {dagster} dev -m {DEFINITIONS}"
    return f"""
The copy agrees with the simulator's truth: every record, its fields and references.

Look at it:
  {tool} status {org}
  {tool} db query "{LOOK}"
  {tool} graph

Open the Dagster UI (http://localhost:3000), and leave the church running for it:
  {tool} simulate pco --people {people} --port {port}
  {dev}

Connect a real church:
  {tool} org add NAME --basic-stdin"""
