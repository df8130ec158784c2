"""The ``simulate`` command."""

from datetime import UTC, datetime
from pathlib import Path

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS
from openfaith_sync.simulator.server.server import serve
from openfaith_sync.simulator.settings.faults import KINDS, read_faults
from openfaith_sync.simulator.settings.rate_limit import RateRule, parse_rate
from openfaith_sync.simulator.settings.settings import SimulatorSettings

_KINDS = "\n".join(f"  {kind:15} {what}" for kind, what in KINDS.items())
_EPILOG = f"""\b
Each fault in the file is a mapping: its kind, which requests it hits (path: text in the path; after: how many
to skip first; at: only the n-th; every: each k-th; times: at most this many), and the parameters of the kind:
{_KINDS}
Example: - {{kind: status, status: 403, path: /groups/v2}}
GET /_sim/faults lists them too, with the armed faults."""


@click.command(epilog=_EPILOG)
@click.argument("adapter")
@click.option("--people", type=click.IntRange(min=0), default=1000, show_default=True, help="Number of people.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same church.")
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day around which gifts, plans and check-ins lie.  [default: 2026-06-01]",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="0 picks a free port.")
@click.option("--latency-ms", type=click.IntRange(min=0), default=0, show_default=True, help="Added to each response.")
@click.option("--rate", help="Requests/seconds per credential, or off.  [default: the manifest's limit]")
@click.option(
    "--leave-out",
    "left_out",
    multiple=True,
    default=("included",),
    show_default=True,
    type=click.Choice(["included", "data", "links", "attributes", "relationships"]),
    help="A key to omit when it is empty; repeatable.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="A YAML or JSON list of faults.")
@click.option(
    "--manifests",
    type=click.Path(path_type=Path, file_okay=False),
    default="manifests",
    envvar="OPENFAITH_MANIFESTS",
    show_default=True,
    help="The folder of manifests.",
)
def simulate(
    adapter: str,
    people: int,
    seed: int,
    as_of: datetime | None,
    host: str,
    port: int,
    latency_ms: int,
    rate: str | None,
    left_out: tuple[str, ...],
    faults: Path | None,
    manifests: Path,
) -> None:
    """Serve ADAPTER's API from its manifest, with synthetic data, until stopped."""
    try:
        manifest = read_manifest(manifests, adapter)
        stated = manifest.adapter_file.rate_limit
        settings = SimulatorSettings(
            people=people,
            seed=seed,
            as_of_seconds=int(as_of.replace(tzinfo=UTC).timestamp()) if as_of else BASE_SECONDS,
            host=host,
            port=port,
            latency_ms=latency_ms,
            rate=parse_rate(rate) if rate else RateRule(stated.assumed_limit, stated.assumed_period_seconds),
            left_out=left_out,
            faults=read_faults(faults) if faults else (),
        )
        serve(settings, manifest)
    except DefinitionError as error:
        raise click.UsageError(str(error)) from None
