"""Views that sum up or combine canonical tables, in the schema of their live views; migrations make them.

They show living rows only, and are as sensitive as what they are made of.
"""

from dataclasses import dataclass

from openfaith_sync.domain.record_tables import Column, ColumnType
from openfaith_sync.domain.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class SummaryView:
    """One view, in the order of its columns."""

    name: str
    columns: tuple[Column, ...]
    sensitivity: Sensitivity
    comment: str


def _columns(kind: ColumnType, **described: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind, Sensitivity.SENSITIVE, comment=said) for name, said in described.items())


SUMMARY_VIEWS = (
    SummaryView(
        "fund_months",
        (
            *_columns(ColumnType.TEXT, org_id="The church.", adapter="The source."),
            *_columns(ColumnType.REFERENCE, fund_id="The fund; null for a refund or fee whose fund is not known yet."),
            *_columns(ColumnType.TEXT, fund="The name of the fund, also of one that the source deleted."),
            *_columns(
                ColumnType.DATE,
                month="The first day of the month of receipt, in the time zone of the church's giving.",
            ),
            *_columns(ColumnType.TEXT, currency="ISO 4217; amounts of two currencies are never added."),
            *_columns(
                ColumnType.BIGINT,
                gifts="How many parts of gifts it is the sum of.",
                gross_cents="What was given, in cents, fees included.",
                refund_cents="What was given back of it, whenever that was: negative.",
                total_cents="gross_cents + refund_cents.",
                fee_cents="What the payments cost: zero or negative.",
                net_cents="total_cents + fee_cents.",
                refunded_in_month_cents=(
                    "What was given back in this month, of gifts of any month: negative. Not in the sums."
                ),
            ),
        ),
        Sensitivity.SENSITIVE,
        "Gifts of money by fund and month, of the living rows of openfaith.donations and what belongs to them.",
    ),
)
