"""The demonstration's picture of a church: its last months in one table and one plot, read with plain SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from openfaith_sync.commands.output import console
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.admin.reports import read_rows
from openfaith_sync.store.database.database import Database

MONTHS = 12
_WIDTH = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"
# What analysts write, too: only live views, whatever the source. The month that has just begun is left out.
_QUERY = """
WITH months AS (
  SELECT month::date AS month, (month + interval '1 month')::date AS next
  FROM generate_series(date_trunc('month', date '{today}') - interval '{months} months',
                       date_trunc('month', date '{today}') - interval '1 month', interval '1 month') AS month
), came AS (
  SELECT event.kind, event.id, event.starts_at, sum(counted.people) AS people
  FROM openfaith_live.attendance_counts AS counted
  JOIN openfaith_live.events AS event ON (event.org_id, event.id) = (counted.org_id, counted.event_id)
  WHERE counted.org_id = '{org}' GROUP BY event.kind, event.id, event.starts_at
)
SELECT month,
  (SELECT count(*) FROM openfaith_live.people
   WHERE org_id = '{org}' AND created_at < next) AS people,
  (SELECT count(DISTINCT group_id) FROM openfaith_live.events
   WHERE org_id = '{org}' AND kind = 'meeting' AND canceled IS NOT TRUE
     AND starts_at >= month AND starts_at < next) AS groups_that_met,
  (SELECT sum(people) FROM came WHERE kind = 'meeting' AND starts_at >= month AND starts_at < next)::bigint
    AS at_groups,
  (SELECT sum(people) / NULLIF(count(DISTINCT date_trunc('week', starts_at)), 0) FROM came
   WHERE kind = 'gathering' AND starts_at >= month AND starts_at < next)::bigint AS checked_in_a_week,
  (SELECT sum(gifts) FROM openfaith_live.fund_months AS given
   WHERE given.org_id = '{org}' AND given.month = months.month)::bigint AS gifts,
  (SELECT sum(total_cents) FROM openfaith_live.fund_months AS given
   WHERE given.org_id = '{org}' AND given.month = months.month AND currency = 'USD')::bigint AS given_cents
FROM months ORDER BY month
"""
_COLUMNS = {
    "people": "people",
    "groups_that_met": "groups that met",
    "at_groups": "attended groups",
    "checked_in_a_week": "checked in a week",
    "gifts": "gifts",
}


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a church."""

    month: date
    counts: dict[str, int]
    given_cents: int


def load_months(database: Database, org: OrgId, today: date) -> list[Month]:
    """Return the complete months before a day, oldest first."""
    rows = read_rows(database, org, _QUERY.format(org=org, today=today.isoformat(), months=MONTHS))
    return [Month(row["month"], {name: row[name] or 0 for name in _COLUMNS}, row["given_cents"] or 0) for row in rows]


def print_months(months: Sequence[Month]) -> None:
    """Print the months: what was counted in columns, and giving and check-ins as bars."""
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("month")
    for title in (*_COLUMNS.values(), "given, USD"):
        table.add_column(title, justify="right")
    for month in months:
        numbers = [f"{month.counts[name]:,}" for name in _COLUMNS]
        table.add_row(f"{month.month:%Y-%m}", *numbers, f"{month.given_cents / 100:,.2f}")
    console().print(table)
    console().print()
    console().print(_plot(months))


def _plot(months: Sequence[Month]) -> Table:
    given = [month.given_cents for month in months]
    weekly = [month.counts["checked_in_a_week"] for month in months]
    plot = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "given, USD", "checked in a week"):
        plot.add_column(title, no_wrap=True)
    for month, cents, people in zip(months, given, weekly, strict=True):
        plot.add_row(
            f"{month.month:%Y-%m}",
            Text(f"{bar(cents, max(given))} {cents / 100:,.0f}", style="green"),
            Text(f"{bar(people, max(weekly))} {people:,}", style="blue"),
        )
    return plot


def bar(value: int, largest: int) -> str:
    """Return a bar of a fixed width, filled in eighths of a character by the share of the largest value."""
    eighths = round(_WIDTH * 8 * max(value, 0) / largest) if largest > 0 else 0
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(_WIDTH)
