"""``demo``: sync a simulated church through Dagster's asset graph into PostgreSQL, and check the result."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.dagster_partitions import open_partitions
from openfaith_sync.commands.demo_check import DemoChurch
from openfaith_sync.commands.demo_run import DEFINITIONS, materialize
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import print_rows
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
EXAMPLE_QUERY = "select first_name, last_name, status from openfaith_live.people limit 5"
COLUMNS = ("entity", "source", "stored", "created", "dead_letters", "seconds")


@click.command()
@click.option(
    "--people",
    type=click.IntRange(1, 1_000_000),
    default=PEOPLE,
    show_default=True,
    help="The number of people in the church.",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The simulator's port.  [default: a free one]")
@click.option(
    "--rate",
    default="1000/20",
    show_default=True,
    help="Requests/seconds that the source allows, or off; Planning Center Online allows 100/20.",
)
@pass_deployment
def demo(deployment: Deployment, people: int, port: int, rate: str) -> None:
    """Sync a simulated church through Dagster into PostgreSQL, and verify the copy.

    Starts everything it needs and keeps the data, so that the Dagster UI has
    something to show. A second run creates nothing.

    \b
    Example: openfaith-sync demo --people 500
    """  # noqa: D301  click's marker for lines that are not rewrapped
    manifest = read_manifest(deployment.settings.manifests, ADAPTER)
    settings = SimulatorSettings(people=people, port=port, rate=parse_rate(rate))
    # A church of another size is another org: its ids stand for other people.
    org = OrgId("demo" if people == PEOPLE else f"demo-{people}")
    click.echo(f"simulating a church of {people:,} people")
    with (
        running_simulator(settings, manifest) as simulator,
        open_database(deployment.settings) as database,
    ):
        with open_partitions(deployment) as partitions:
            add_connection(database, _connection(org, simulator))
            partitions.register(org)
        church = DemoChurch(org, ADAPTER, lambda statement: list(read_rows(database, org, statement)))
        before = {name: set(church.stored(entity)) for name, entity in manifest.entities.items()}
        click.echo(
            f"syncing it as org {org}: dagster asset materialize --select 'key:\"{ADAPTER}/*\"' --partition {org}"
        )
        seconds = materialize(deployment, ADAPTER, org, click.echo)
        rows, disagreements = _compare(manifest, simulator, church, before, seconds)
    click.echo()
    print_rows(rows, COLUMNS, as_json=False)
    if disagreements:
        raise SafetyStop(
            "the copy differs from the simulator's data:\n  "
            + "\n  ".join(disagreements)
            + "\nif the simulator has changed since the last demo, remove the old copy with: make clean"
        )
    click.echo(_ending(deployment, org, simulator, people))


def _connection(org: OrgId, simulator: RunningSimulator) -> Connection:
    credentials = BasicCredentials(simulator.application_id, simulator.secret)
    return Connection(org, ADAPTER, simulator.base_url, credentials)


def _compare(
    manifest: Manifest,
    simulator: RunningSimulator,
    church: DemoChurch,
    before: dict[EntityName, set[str]],
    seconds: dict[EntityName, float],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the table's rows, and every difference between our copy and the source."""
    rows, disagreements = [], []
    for name in manifest.graph.entities:
        entity, truth = manifest.entities[name], simulator.truth(name)
        stored, rejected = church.stored(entity), church.dead_letters(name)
        disagreements += church.disagreements(entity, truth, stored, rejected)
        rows.append(
            {
                "entity": f"{manifest.adapter}/{name}",
                "source": len(truth),
                "stored": len(stored),
                "created": len(stored.keys() - before[name]),
                "dead_letters": rejected,
                "seconds": seconds.get(name),
            }
        )
    return rows, disagreements


def _ending(deployment: Deployment, org: OrgId, simulator: RunningSimulator, people: int) -> str:
    tool = Path(sys.argv[0])
    dagster, port = tool.with_name("dagster"), urlsplit(simulator.base_url).port
    home, is_here = deployment.dagster_home, deployment.dagster_home == Path.cwd()
    # workspace.yaml, which names the definitions, is next to dagster.yaml.
    dev = f"DAGSTER_HOME=$PWD {dagster} dev" if is_here else f"DAGSTER_HOME={home} {dagster} dev -m {DEFINITIONS}"
    return f"""
The copy matches the simulator's data: every record, its fields and references.

Inspect it:
  {tool} status {org}
  {tool} db query "{EXAMPLE_QUERY}"
  {tool} graph

Open the Dagster UI (http://localhost:3000), with the church running for it:
  {tool} simulate pco --people {people} --port {port}
  {dev}

Connect a real church:
  {tool} org add NAME --basic-stdin"""
