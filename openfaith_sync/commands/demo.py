"""``demo``: sync a simulated church through Dagster's asset graph into PostgreSQL, check the result, and show it."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.dagster_partitions import open_partitions
from openfaith_sync.commands.demo_check import DemoChurch
from openfaith_sync.commands.demo_months import load_months, print_months
from openfaith_sync.commands.demo_run import DEFINITIONS, materialize
from openfaith_sync.commands.demo_truth import Truth
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import print_rows
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.selection import find_off, select_entities
from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.admin.reports import read_rows
from openfaith_sync.store.connections.connections import add_connection, list_connections
from openfaith_sync.store.connections.selections import turn_on
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.manifests.entity_tables import ensure_tables

ADAPTER = AdapterName("pco")
PEOPLE = 200
EXAMPLE_QUERY = "select first_name, last_name, status from openfaith_live.people limit 5"
COUNTS = ("source", "stored", "not_read", "created", "dead_letters", "seconds")
COLUMNS = {False: ("module", "entities", *COUNTS), True: ("entity", *COUNTS)}
_TITLE = "The church in its last year, read from the live views:"


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
    default="10000/20",
    show_default=True,
    help="Requests/seconds that the source allows; Planning Center Online allows 100/20.",
)
@click.option("--entities", "is_by_entity", is_flag=True, help="Show one row for each entity, not for each module.")
@pass_deployment
def demo(deployment: Deployment, people: int, port: int, rate: str, *, is_by_entity: bool) -> None:
    """Sync a simulated church through Dagster into PostgreSQL, verify the copy, and show its last year.

    Starts everything it needs and keeps the data, so that the Dagster UI has
    something to show. A second run creates nothing. Sensitive entities, such as
    giving, are off for a new church; the demonstration turns them on.

    \b
    Example: openfaith-sync demo --people 500
    """  # noqa: D301  click's marker for lines that are not rewrapped
    # A church of another size is another org: its ids stand for other people.
    org = OrgId("demo" if people == PEOPLE else f"demo-{people}")
    with open_database(deployment.settings) as database:
        manifest = read_manifest(deployment.settings.manifests, ADAPTER)
        day = _first_day(database, org)
        settings = SimulatorSettings(
            people=people, port=port, rate=parse_rate(rate), as_of_seconds=int(day.timestamp())
        )
        click.echo(f"simulating a church of {people:,} people")
        with running_simulator(settings, manifest) as simulator:
            sensitive = _sensitive(manifest)
            with open_partitions(deployment) as partitions:
                add_connection(database, _connection(org, simulator))
                turn_on(database, org, ADAPTER, sensitive)
                partitions.register(org)
            selected = select_entities(manifest, None, sensitive)
            click.echo(_beginning(manifest, org, sensitive, selected))
            manifest = ensure_tables(database, manifest)
            church = DemoChurch(org, ADAPTER, lambda statement: list(read_rows(database, org, statement)))
            before = {name: set(church.stored(manifest.entities[name])) for name in selected}
            seconds = materialize(deployment, ADAPTER, org, len(selected), click.echo)
            truth = Truth(manifest, simulator.truth, datetime.now(UTC))
            rows, disagreements = _compare(truth, church, before, seconds)
        months = load_months(database, org, day.date())
    click.echo()
    print_rows(rows if is_by_entity else _totals(rows), COLUMNS[is_by_entity], as_json=False)
    if disagreements:
        raise SafetyStop(
            "the copy differs from the simulator's data:\n  "
            + "\n  ".join(disagreements)
            + "\nif the simulator has changed since the last demo, remove the old copy with: make clean"
        )
    click.echo("\nThe copy matches the simulator's data: every record, its fields and references.")
    click.echo(f"Not read is what the manifest leaves out, such as positions that past services needed.\n\n{_TITLE}\n")
    print_months(months)
    click.echo(_ending(deployment, org, simulator, people, day))


def _first_day(database: Database, org: OrgId) -> datetime:
    """Return the day on which the org was connected, around which its church lives; today for a new one."""
    found = [one.created_at for one in list_connections(database, org)]
    return min([*found, datetime.now(UTC)]).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _sensitive(manifest: Manifest) -> list[EntityName]:
    """Return the sensitive entities; not the optional ones, which are off since they cost many requests."""
    return [name for name in dict.fromkeys(find_off(manifest, ()).values()) if not manifest.entities[name].optional]


def _connection(org: OrgId, simulator: RunningSimulator) -> Connection:
    credentials = BasicCredentials(simulator.application_id, simulator.secret)
    return Connection(org, ADAPTER, simulator.base_url, credentials)


def _beginning(manifest: Manifest, org: OrgId, sensitive: Sequence[EntityName], selected: Sequence[EntityName]) -> str:
    command = f"dagster asset materialize --select 'key:\"{ADAPTER}/*\"' --partition {org}"
    syncing = f"syncing {len(selected)} entities as org {org}: {command}"
    if not sensitive:
        return syncing
    modules = ", ".join(sorted({manifest.entities[name].module for name in sensitive}))
    return (
        f"turned on {len(sensitive)} sensitive entities, of {modules}; "
        f"a real church starts without them: openfaith-sync org set NAME --sensitive giving\n{syncing}"
    )


def _compare(
    truth: Truth, church: DemoChurch, before: Mapping[EntityName, set[str]], seconds: Mapping[EntityName, float]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a row for each entity, and every difference between our copy and the source."""
    rows, disagreements = [], []
    for name, stored_before in before.items():
        entity, records = truth.manifest.entities[name], truth.records(name)
        stored, rejected, left_out = church.stored(entity), church.dead_letters(name), truth.left_out(entity)
        disagreements += church.disagreements(entity, records, stored, rejected, left_out)
        rows.append(
            {
                "module": entity.module,
                "entity": f"{ADAPTER}/{name}",
                "source": len(records),
                "stored": len(stored),
                "not_read": max(len(records) - len(stored) - rejected, 0),
                "created": len(stored.keys() - stored_before),
                "dead_letters": rejected,
                "seconds": seconds.get(name),
            }
        )
    return rows, disagreements


def _totals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each module."""
    totals: dict[str, dict[str, Any]] = {}
    for row in rows:
        total = totals.setdefault(row["module"], {"module": f"{ADAPTER}/{row['module']}", "entities": 0})
        total["entities"] += 1
        for name in COUNTS:
            total[name] = total.get(name, 0) + (row[name] or 0)
    return list(totals.values())


def _ending(deployment: Deployment, org: OrgId, simulator: RunningSimulator, people: int, day: date) -> str:
    tool = Path(sys.argv[0])
    dagster, port = tool.with_name("dagster"), urlsplit(simulator.base_url).port
    home, is_here = deployment.dagster_home, deployment.dagster_home == Path.cwd()
    # workspace.yaml, which names the definitions, is next to dagster.yaml.
    dev = f"DAGSTER_HOME=$PWD {dagster} dev" if is_here else f"DAGSTER_HOME={home} {dagster} dev -m {DEFINITIONS}"
    return f"""
Inspect it:
  {tool} status {org}
  {tool} giving totals {org} --by fund
  {tool} db query "{EXAMPLE_QUERY}"
  {tool} graph

Open the Dagster UI (http://localhost:3000), with the church running for it:
  {tool} simulate pco --people {people} --as-of {day:%Y-%m-%d} --port {port}
  {dev}

Connect a real church:
  {tool} org add NAME --basic-stdin"""
