"""``giving``: sums of a church's giving, and what of them does not add up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.connection_lookup import load_listed_connection
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.canonical_tables import GIFTS
from openfaith_sync.domain.connections.selection import select_entities
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityName, OrgId, SyncKey, parse_org
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.problems.giving_differences import describe_differences
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.giving.differences import Difference, check_differences
from openfaith_sync.store.giving.totals import TotalsBy, load_totals

_AMOUNTS = ("gross", "refunds", "total", "fees", "net")
COLUMNS: Mapping[TotalsBy, tuple[str, ...]] = {
    TotalsBy.MONTH: ("month", "currency", "gifts", *_AMOUNTS, "refunded_in_month"),
    TotalsBy.FUND: ("fund", "currency", "gifts", *_AMOUNTS),
    TotalsBy.BATCH: ("batch", "name", "state", "currency", "gifts", "stated", "gross", "refunds", "total", "fees"),
}
DIFFERENCE_COLUMNS = ("what", "entity", "external_id", "stated", "summed", "currency")
_NAMES = {"refund_cents": "refunds", "fee_cents": "fees"}


class _Month(click.ParamType):  # type: ignore[type-arg]
    """A month as its first day."""

    name = "YYYY-MM"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> date:
        """Return the first day of the month."""
        try:
            return datetime.strptime(value, "%Y-%m").date()  # noqa: DTZ007  a month, wherever it is
        except ValueError:
            self.fail(f"{value!r} is no month such as 2026-03", param, context)


@click.group()
def giving() -> None:
    """Sum up a church's giving, and find what of it does not add up.

    Only for orgs that turned giving on: openfaith-sync org set ORG --sensitive giving
    """


@giving.command()
@click.argument("org", metavar="ORG")
@adapter_option
@click.option("--by", type=click.Choice([kind.value for kind in TotalsBy]), default="month", show_default=True)
@click.option("--from", "begin", type=_Month(), help="The first month.")
@click.option("--to", "end", type=_Month(), help="The last month.")
@as_json
@pass_deployment
def totals(
    deployment: Deployment,
    org: str,
    adapter: str | None,
    by: str,
    begin: date | None,
    end: date | None,
    as_json: bool,
) -> None:
    """Print sums of ORG's gifts of money by fund, batch or month, never over two currencies.

    Gifts that failed or are pending do not count, except in their batches. A month is
    one of the time zone of the church's giving. Refunds are subtracted in the month of
    their gift; "refunded in month" is what was given back in that month. With --json,
    amounts are whole cents.

    \b
    Examples:
      openfaith-sync giving totals grace
      openfaith-sync giving totals grace --by fund --from 2026-01 --to 2026-12 --json
    """  # noqa: D301  click's marker for lines that are not rewrapped
    kind = TotalsBy(by)
    with open_database(deployment.settings) as database:
        key, _ = _find_gifts(deployment, database, parse_org(org), adapter)
        rows = load_totals(database, key.org, key.adapter, kind, begin, end)
    if as_json:
        print_json(rows)
        return
    shown = [_readable(row) for row in rows]
    print_rows(shown, COLUMNS[kind], as_json=False, otherwise=f"{org} has no gifts in these months")


@giving.command()
@click.argument("org", metavar="ORG")
@adapter_option
@as_json
@pass_deployment
@click.pass_context
def check(context: click.Context, deployment: Deployment, org: str, adapter: str | None, as_json: bool) -> None:
    """Compare ORG's gifts with their parts, refunds and batches as they are stored now. Sends no request.

    Exit status 1 if something differs. What differs is read again by every
    reconciliation; if it still differs then, the source itself states it so.

    \b
    Example: openfaith-sync giving check grace
    """  # noqa: D301
    with open_database(deployment.settings) as database:
        key, _ = _find_gifts(deployment, database, parse_org(org), adapter)
        found = check_differences(database, key)
    if as_json:
        print_json([_difference_json(one) for one in found])
    elif found:
        print_rows([_readable(_difference_json(one)) for one in found], DIFFERENCE_COLUMNS, as_json=False)
    click.echo(_summary(found), err=True)
    if found:
        context.exit(1)


def _find_gifts(
    deployment: Deployment, database: Database, org: OrgId, adapter: str | None
) -> tuple[SyncKey, Manifest]:
    """Return the key of an org's gifts.

    Raises:
        UsageError: The org is unknown, its source has no gifts, or it has not turned them on.
    """
    name = find_adapter(database, org, adapter)
    manifest = read_manifest(deployment.settings.manifests, name)
    connection = load_listed_connection(database, org, name)
    gifts = [EntityName(one) for one, entity in manifest.entities.items() if entity.table == GIFTS]
    if not gifts:
        raise UsageError(f"the {name} manifest has no gifts")
    if gifts[0] not in select_entities(manifest, connection.only, connection.sensitive):
        module = manifest.entities[gifts[0]].module
        raise UsageError(
            f"{org} has not turned giving on, so nothing of it is stored; turn it on with: "
            f"openfaith-sync org set {org} --adapter {name} --sensitive {','.join([*connection.sensitive, module])}"
        )
    return SyncKey(org, name, gifts[0]), manifest


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for people: amounts in units of their currency, months without a day."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("_cents"):
            shown[_NAMES.get(name, name.removesuffix("_cents"))] = None if value is None else f"{value / 100:,.2f}"
        else:
            shown[name] = f"{value:%Y-%m}" if type(value) is date else value
    if "fund_id" in row and row["fund"] is None:
        shown["fund"] = "(not known yet)" if row["fund_id"] is None else row["fund_id"]
    return shown


def _difference_json(found: Difference) -> dict[str, Any]:
    return {
        "what": found.kind.value,
        "entity": found.entity,
        "external_id": found.external_id,
        "stated_cents": found.stated_cents,
        "summed_cents": found.summed_cents,
        "currency": found.currency,
    }


def _summary(found: Sequence[Difference]) -> str:
    return describe_differences(Counter(one.kind for one in found)) or "giving adds up"
