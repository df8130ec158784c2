"""``org set``: what holds for one org only."""

import re
from datetime import timedelta
from zoneinfo import available_timezones

import click

from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.org_life import require_connections
from openfaith_sync.commands.printing import as_json, print_json
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.store.admin.org_settings import load_cadences, set_cadence, set_org
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.schedule.work import replan_nights

USUAL = "usual"
_SPAN = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_CADENCES = {"delta_every": WorkMode.DELTA, "reconcile_every": WorkMode.RECONCILIATION}
SHORTEST = timedelta(minutes=1)


class Span(click.ParamType):  # type: ignore[type-arg]
    """A span of time as a person writes it."""

    name = "span"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> timedelta | None:
        """Read ``15m``, ``2h``, ``7d`` or ``usual``."""
        if value == USUAL:
            return None
        found = _SPAN.fullmatch(value)
        if found is None or (span := timedelta(**{_UNITS[found[2]]: int(found[1])})) < SHORTEST:
            self.fail(f"expected 1m or more as 15m, 2h or 7d, or {USUAL}; found {value!r}", param, ctx)
        return span


@click.command("set")
@click.argument("name")
@click.option("--time-zone", metavar="ZONE", help="An IANA name, such as America/Chicago; nights are counted in it.")
@click.option("--deletion-count", type=click.IntRange(0), help="So many records may vanish at once without a person.")
@click.option("--deletion-share", type=click.FloatRange(0, 1), help="Or this share of what we hold.")
@click.option(
    "--rejected-share",
    type=click.FloatRange(0, 1),
    help="A sync fails when a larger share of the records than this, and more than 10, was set aside.",
)
@click.option("--delta-every", "delta", type=Span(), help="How often it is asked for changes: 15m, 2h, usual.")
@click.option("--reconcile-every", "reconciliation", type=Span(), help="How often all ids are compared: 1d, 7d, usual.")
@adapter_option
@as_json
@pass_deployment
@click.pass_context
def set_(
    context: click.Context,
    deployment: Deployment,
    name: str,
    time_zone: str | None,
    deletion_count: int | None,
    deletion_share: float | None,
    rejected_share: float | None,
    delta: timedelta | None,
    reconciliation: timedelta | None,
    adapter: str | None,
    as_json: bool,
) -> None:
    """Set what holds for one org, and print it; without options it is only printed.

    \b
    Example: openfaith-sync org set grace --time-zone America/Chicago --delta-every 5m
    """  # noqa: D301  click's sign for lines that stay as they are
    org = parse_org(name)
    if time_zone is not None and time_zone not in available_timezones():
        raise click.BadParameter(f"expected an IANA time zone such as America/Chicago; found {time_zone!r}")
    with open_database(deployment.settings) as database:
        require_connections(database, org)
        adapter = find_adapter(database, org, adapter)
        held = set_org(
            database,
            org,
            time_zone=time_zone,
            deletion_count=deletion_count,
            deletion_share=deletion_share,
            rejected_share=rejected_share,
        )
        for option, mode, every in (
            ("delta", WorkMode.DELTA, delta),
            ("reconciliation", WorkMode.RECONCILIATION, reconciliation),
        ):
            if context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE:
                set_cadence(database, org, adapter, mode, every)
        if time_zone is not None:
            replan_nights(database, org, held.time_zone)
        cadences = load_cadences(database, org, adapter)
    held_cadences = {name: cadences.get(mode) for name, mode in _CADENCES.items()}
    told = {
        "org": org,
        "time_zone": held.time_zone,
        "deletion_count": held.deletion_count,
        "deletion_share": held.deletion_share,
        "rejected_share": held.rejected_share,
        "adapter": adapter,
        **held_cadences,
    }
    if as_json:
        print_json(told)
    else:
        click.echo(
            f"{org}: nights in {held.time_zone}; up to {held.deletion_count} records or "
            f"{held.deletion_share:.0%} may vanish at once; "
            f"a sync fails when more than {held.rejected_share:.0%} of the records are set aside; "
            f"{adapter} is asked for changes every {_shown(held_cadences['delta_every'])} and compared every "
            f"{_shown(held_cadences['reconcile_every'])}"
        )


def _shown(every: timedelta | None) -> str:
    """Return a span as a person writes it."""
    if every is None:
        return f"{USUAL} time"
    minutes = every // timedelta(minutes=1)
    return next(f"{minutes // size}{unit}" for unit, size in (("d", 1440), ("h", 60), ("m", 1)) if minutes % size == 0)
