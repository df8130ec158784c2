"""Sums of an org's giving by fund, month or batch, as ``giving totals`` prints them."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from psycopg.rows import dict_row

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.store.database.database import Database


class TotalsBy(StrEnum):
    """What giving is summed up by; always by currency as well."""

    FUND = "fund"
    MONTH = "month"
    BATCH = "batch"


_SUMS = """
       sum(held.gross_cents)::bigint AS gross_cents, sum(held.refund_cents)::bigint AS refund_cents,
       sum(held.total_cents)::bigint AS total_cents, sum(held.fee_cents)::bigint AS fee_cents,
       sum(held.net_cents)::bigint AS net_cents,
       sum(held.refunded_in_month_cents)::bigint AS refunded_in_month_cents
FROM openfaith_live.fund_months held
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s
  AND (%(begin)s::date IS NULL OR held.month >= %(begin)s) AND (%(end)s::date IS NULL OR held.month <= %(end)s)
"""
# The zone as in openfaith_live.fund_months.
_GIFTS = """
SELECT sync.month_of(gift.received_at, (
         SELECT church.time_zone FROM openfaith.organizations church
         WHERE church.org_id = %(org)s AND church.adapter = %(adapter)s AND church.deleted_at IS NULL
           AND church.time_zone IS NOT NULL
         ORDER BY starts_with(church.type, 'giving') DESC, church.type LIMIT 1)) AS month,
       gift.id, gift.currency, gift.batch_id, gift.amount_cents, gift.fee_cents, gift.payment_status
FROM openfaith.donations gift
WHERE gift.org_id = %(org)s AND gift.adapter = %(adapter)s AND gift.deleted_at IS NULL
"""
_BY_FUND = f"""
SELECT held.fund_id, held.fund, held.currency, sum(held.gifts)::bigint AS gifts, {_SUMS}
GROUP BY held.fund_id, held.fund, held.currency
ORDER BY held.fund NULLS LAST, held.fund_id, held.currency
"""
_BY_MONTH = f"""
WITH counted AS (
  SELECT month, currency, count(*) AS gifts FROM ({_GIFTS}) gift
  WHERE COALESCE(payment_status, 'succeeded') = 'succeeded' GROUP BY month, currency)
SELECT held.month, held.currency, COALESCE(max(counted.gifts), 0)::bigint AS gifts, {
    _SUMS.replace(
        "WHERE", "LEFT JOIN counted ON counted.month = held.month AND counted.currency = held.currency WHERE", 1
    )
}
GROUP BY held.month, held.currency
ORDER BY held.month, held.currency
"""  # noqa: S608
# A batch has its gifts before it is committed, while they are pending.
_BY_BATCH = f"""
SELECT held.external_id AS batch, held.name, held.state, held.committed_at,
       COALESCE(gift.currency, held.currency) AS currency, count(gift.id) AS gifts,
       held.total_cents AS stated_cents, COALESCE(sum(gift.amount_cents), 0)::bigint AS gross_cents,
       COALESCE(sum(back.cents), 0)::bigint AS refund_cents,
       (COALESCE(sum(gift.amount_cents), 0) + COALESCE(sum(back.cents), 0))::bigint AS total_cents,
       COALESCE(sum(gift.fee_cents), 0)::bigint AS fee_cents
FROM openfaith.batches held
LEFT JOIN ({_GIFTS}) gift ON gift.batch_id = held.id
LEFT JOIN LATERAL (
  SELECT sum(refund.amount_cents) AS cents FROM openfaith.refunds refund
  WHERE refund.org_id = %(org)s AND refund.donation_id = gift.id AND refund.deleted_at IS NULL) back ON true
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.deleted_at IS NULL
  AND (%(begin)s::date IS NULL OR held.committed_at >= %(begin)s OR held.committed_at IS NULL)
  AND (%(end)s::date IS NULL OR held.committed_at < %(end)s::date + interval '1 month' OR held.committed_at IS NULL)
GROUP BY held.external_id, held.name, held.state, held.committed_at, COALESCE(gift.currency, held.currency),
         held.total_cents
ORDER BY held.committed_at NULLS LAST, held.external_id
"""  # noqa: S608
_STATEMENTS: Mapping[TotalsBy, str] = {
    TotalsBy.FUND: _BY_FUND,
    TotalsBy.MONTH: _BY_MONTH,
    TotalsBy.BATCH: _BY_BATCH,
}


def load_totals(
    database: Database, org: OrgId, adapter: AdapterName, by: TotalsBy, begin: date | None, end: date | None
) -> list[dict[str, Any]]:
    """Return one row for each fund, month or batch and currency; amounts are in cents.

    Args:
        database: The database.
        org: The church.
        adapter: The source.
        by: What to sum up by.
        begin: The first month, as its first day; ``None`` for all before ``end``.
        end: The last month, as its first day. Batches are chosen by when they were committed.
    """
    wanted = {"org": org, "adapter": adapter, "begin": begin, "end": end}
    with database.connect(org) as session, session.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_STATEMENTS[by].encode(), wanted).fetchall()
