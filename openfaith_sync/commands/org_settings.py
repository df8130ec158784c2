"""``org set``: settings of one org."""

import re
from datetime import timedelta
from zoneinfo import available_timezones

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.org_lifecycle import require_connections
from openfaith_sync.commands.output import as_json, print_json
from openfaith_sync.domain.connections.selection import (
    describe_selection,
    parse_selection,
    parse_sensitive,
    select_entities,
)
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.rejections import FEW
from openfaith_sync.domain.schedule.chosen_intervals import ChosenIntervals, format_cadences, parse_cadences
from openfaith_sync.domain.schedule.due_work import ALL, WorkMode
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.connections.selections import load_selection, load_sensitive, select_only, turn_on
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.schedule.intervals import load_intervals, set_intervals
from openfaith_sync.store.schedule.work import replan_nights

USUAL = "usual"
_DURATION = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_CADENCES = {"delta_every": WorkMode.DELTA, "reconcile_every": WorkMode.RECONCILIATION}
SHORTEST = timedelta(minutes=1)


class DurationType(click.ParamType):  # type: ignore[type-arg]
    """A duration as a person writes it."""

    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> timedelta | None:
        """Parse ``15m``, ``2h``, ``7d`` or ``usual``."""
        if value == USUAL:
            return None
        match = _DURATION.fullmatch(value)
        if match is None or (duration := timedelta(**{_UNITS[match[2]]: int(match[1])})) < SHORTEST:
            self.fail(
                f"expected a duration of at least 1m, such as 15m, 2h or 7d, or {USUAL}; found {value!r}", param, ctx
            )
        return duration


@click.command("set")
@click.argument("name")
@click.option("--time-zone", metavar="ZONE", help="An IANA name, such as America/Chicago; nightly syncs follow it.")
@click.option("--deletion-count", type=click.IntRange(0), help="Deletions up to this number need no approval.")
@click.option(
    "--deletion-share", type=click.FloatRange(0, 1), help="Deletions up to this share of the records need no approval."
)
@click.option(
    "--rejected-share",
    type=click.FloatRange(0, 1),
    help=f"Fail a sync if it rejects more than this share of the records, and more than {FEW}.",
)
@click.option(
    "--history-months",
    type=click.IntRange(1, 1200),
    metavar="N",
    help="How far back to read records that cost a request each, such as the items of plans. Stored ones are kept.",
)
@click.option("--delta-every", "delta", type=DurationType(), help="How often to check for changes: 15m, 2h, usual.")
@click.option(
    "--reconcile-every", "reconciliation", type=DurationType(), help="How often to compare all ids: 1d, 7d, usual."
)
@click.option(
    "--cadence",
    metavar="ENTITY=EVERY,...",
    help="How often to check single entities for changes, or to compare them: donation=1h,person.reconcile=7d; "
    "also never, or default for the manifest's interval.",
)
@click.option(
    "--only",
    metavar="NAME,...",
    help="Sync only these modules and entities, such as people,group, and what they require; all undoes it.",
)
@click.option(
    "--sensitive",
    metavar="ENTITY,...",
    help="Sync these sensitive and optional entities, such as note, and no others of them; none turns all off.",
)
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
    history_months: int | None,
    delta: timedelta | None,
    reconciliation: timedelta | None,
    cadence: str | None,
    only: str | None,
    sensitive: str | None,
    adapter: str | None,
    as_json: bool,
) -> None:
    """Change the settings of one org, and print them; without options, only print them.

    Entities that are no longer selected keep their stored records, which then go out of date.

    \b
    Examples:
      openfaith-sync org set grace --time-zone America/Chicago --delta-every 5m
      openfaith-sync org set grace --only people
      openfaith-sync org set grace --cadence donation=1h,person.reconcile=7d
    """  # noqa: D301  click's marker for lines that are not rewrapped
    org = parse_org(name)
    if time_zone is not None and time_zone not in available_timezones():
        raise click.BadParameter(f"expected an IANA time zone such as America/Chicago; found {time_zone!r}")
    with open_database(deployment.settings) as database:
        require_connections(database, org)
        adapter = find_adapter(database, org, adapter)
        manifest = read_manifest(deployment.settings.manifests, adapter)
        chosen = None if only is None else parse_selection(manifest, only)
        turned_on = None if sensitive is None else parse_sensitive(manifest, sensitive)
        intervals = _parse_cadence(manifest, cadence)
        settings = set_org(
            database,
            org,
            time_zone=time_zone,
            deletion_count=deletion_count,
            deletion_share=deletion_share,
            rejected_share=rejected_share,
            history_months=history_months,
        )
        for option, mode, every in (
            ("delta", WorkMode.DELTA, delta),
            ("reconciliation", WorkMode.RECONCILIATION, reconciliation),
        ):
            if context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE:
                if every is None:
                    intervals.usual.append((ALL, mode))
                else:
                    intervals.own[ALL, mode] = every
        if intervals.own or intervals.usual:
            set_intervals(database, org, adapter, intervals.own, intervals.usual)
        if only is not None:
            select_only(database, org, adapter, chosen)
        if turned_on is not None:
            turn_on(database, org, adapter, turned_on)
        selected = load_selection(database, org, adapter)
        shown = load_sensitive(database, org, adapter)
        if time_zone is not None:
            replan_nights(database, org, settings.time_zone)
        own = load_intervals(database, org, adapter)
    chosen_cadences = {name: own.get((ALL, mode)) for name, mode in _CADENCES.items()}
    of_entities = format_cadences(own)
    further = "".join(f", {name} {every}" for name, every in of_entities.items())
    values = {
        "org": org,
        "time_zone": settings.time_zone,
        "deletion_count": settings.deletion_count,
        "deletion_share": settings.deletion_share,
        "rejected_share": settings.rejected_share,
        "history_months": settings.history_months,
        "adapter": adapter,
        **chosen_cadences,
        "cadence": of_entities,
        "only": selected and list(selected),
        "sensitive": list(shown),
        "entities": list(select_entities(manifest, selected, shown)),
    }
    if as_json:
        print_json(values)
    else:
        click.echo(
            f"{org}: time zone {settings.time_zone}; up to {settings.deletion_count} records or "
            f"{settings.deletion_share:.0%} are deleted without approval; "
            f"a sync fails if it rejects more than {settings.rejected_share:.0%} of the records; "
            f"what costs a request for each parent is read {settings.history_months} months back; "
            f"{adapter} is checked for changes {_format(chosen_cadences['delta_every'])} and reconciled "
            f"{_format(chosen_cadences['reconcile_every'])}{further}; {describe_selection(manifest, selected, shown)}"
        )


def _parse_cadence(manifest: Manifest, cadence: str | None) -> ChosenIntervals:
    if cadence is None:
        return ChosenIntervals()
    try:
        return parse_cadences(manifest, cadence)
    except UsageError as error:
        raise click.BadParameter(str(error), param_hint="--cadence") from None


def _format(every: timedelta | None) -> str:
    """Return how often something is done, in words."""
    if every is None:
        return "as often as usual"
    minutes = every // timedelta(minutes=1)
    return next(
        f"every {minutes // size}{unit}" for unit, size in (("d", 1440), ("h", 60), ("m", 1)) if minutes % size == 0
    )
