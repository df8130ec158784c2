"""Sums of giving by fund and month, and what of giving does not add up."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# A time zone that PostgreSQL does not know counts as UTC: one church's word must not break a view of all.
MONTH_OF = """
CREATE FUNCTION sync.month_of(moment timestamptz, zone text) RETURNS date IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
AS $$
BEGIN
  RETURN date_trunc('month', moment AT TIME ZONE COALESCE(zone, 'UTC'))::date;
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN date_trunc('month', moment AT TIME ZONE 'UTC')::date;
END
$$;
COMMENT ON FUNCTION sync.month_of(timestamptz, text) IS
  'The first day of the month that a moment lies in, in a time zone.';
"""
# The church's own record in Giving comes first; other sources have one only.
ZONE = """
    LEFT JOIN LATERAL (
      SELECT church.time_zone FROM openfaith.organizations church
      WHERE church.org_id = gift.org_id AND church.adapter = gift.adapter AND church.deleted_at IS NULL
        AND church.time_zone IS NOT NULL
      ORDER BY starts_with(church.type, 'giving') DESC, church.type LIMIT 1) zone ON true"""
COUNTED = "gift.deleted_at IS NULL AND COALESCE(gift.payment_status, 'succeeded') = 'succeeded'"
PARTS = "split.org_id = gift.org_id AND split.donation_id = gift.id AND split.deleted_at IS NULL"
# The amounts of the parts count, since only they name a fund; a refund counts whole, even while its own parts are not
# read yet. What names no fund has one if its gift has one part.
FUND_MONTHS = f"""
CREATE VIEW openfaith_live.fund_months WITH (security_invoker = true) AS
SELECT part.org_id, part.adapter, part.fund_id, fund.name AS fund, part.month, part.currency,
       sum(part.gifts)::bigint AS gifts,
       sum(part.gross)::bigint AS gross_cents,
       sum(part.refund)::bigint AS refund_cents,
       (sum(part.gross) + sum(part.refund))::bigint AS total_cents,
       sum(part.fee)::bigint AS fee_cents,
       (sum(part.gross) + sum(part.refund) + sum(part.fee))::bigint AS net_cents,
       sum(part.refunded)::bigint AS refunded_in_month_cents
FROM (
    SELECT gift.org_id, gift.adapter, split.fund_id, sync.month_of(gift.received_at, zone.time_zone) AS month,
           COALESCE(split.currency, gift.currency) AS currency, 1 AS gifts, COALESCE(split.amount_cents, 0) AS gross,
           0 AS refund, COALESCE(split.fee_cents, 0) AS fee, 0 AS refunded
    FROM openfaith.donations gift
    JOIN openfaith.designations split ON {PARTS}{ZONE}
    WHERE {COUNTED}
  UNION ALL
    SELECT gift.org_id, gift.adapter, whole.fund_id, sync.month_of(gift.received_at, zone.time_zone), gift.currency,
           0, 0, 0, gift.fee_cents, 0
    FROM openfaith.donations gift
    JOIN LATERAL (
      SELECT CASE WHEN count(*) = 1 THEN min(split.fund_id) END AS fund_id
      FROM openfaith.designations split WHERE {PARTS} HAVING count(split.fee_cents) = 0) whole ON true{ZONE}
    WHERE {COUNTED} AND gift.fee_cents <> 0
  UNION ALL
    SELECT gift.org_id, gift.adapter, piece.fund_id, dated.month, COALESCE(back.currency, gift.currency), 0, 0,
           dated.refund, 0, dated.refunded
    FROM openfaith.refunds back
    JOIN openfaith.donations gift ON gift.org_id = back.org_id AND gift.id = back.donation_id
    JOIN LATERAL (
        SELECT split.fund_id, refund.amount_cents
        FROM openfaith.designation_refunds refund
        LEFT JOIN openfaith.designations split
          ON split.org_id = refund.org_id AND split.id = refund.designation_id
        WHERE refund.org_id = back.org_id AND refund.refund_id = back.id AND refund.deleted_at IS NULL
      UNION ALL
        SELECT CASE WHEN count(*) = 1 THEN min(split.fund_id) END,
               back.amount_cents - COALESCE((
                 SELECT sum(refund.amount_cents) FROM openfaith.designation_refunds refund
                 WHERE refund.org_id = back.org_id AND refund.refund_id = back.id AND refund.deleted_at IS NULL), 0)
        FROM openfaith.designations split WHERE {PARTS}
    ) piece ON piece.amount_cents <> 0{ZONE}
    CROSS JOIN LATERAL (
      VALUES (sync.month_of(gift.received_at, zone.time_zone), piece.amount_cents, 0),
             (sync.month_of(back.refunded_at, zone.time_zone), 0, piece.amount_cents)) dated (month, refund, refunded)
    WHERE {COUNTED} AND back.deleted_at IS NULL
) part
LEFT JOIN openfaith.funds fund ON fund.org_id = part.org_id AND fund.id = part.fund_id
GROUP BY part.org_id, part.adapter, part.fund_id, fund.name, part.month, part.currency
"""  # noqa: S608  joined of our own constants
COMMENTS = {
    "org_id": "The church.",
    "adapter": "The source.",
    "fund_id": "The fund; null for a refund or fee whose fund is not known yet.",
    "fund": "The name of the fund, also of one that the source deleted.",
    "month": "The first day of the month of receipt, in the time zone of the church's giving.",
    "currency": "ISO 4217; amounts of two currencies are never added.",
    "gifts": "How many parts of gifts it is the sum of.",
    "gross_cents": "What was given, in cents, fees included.",
    "refund_cents": "What was given back of it, whenever that was: negative.",
    "total_cents": "gross_cents + refund_cents.",
    "fee_cents": "What the payments cost: zero or negative.",
    "net_cents": "total_cents + fee_cents.",
    "refunded_in_month_cents": "What was given back in this month, of gifts of any month: negative. Not in the sums.",
}
DIFFERENCES = """
CREATE TABLE sync.giving_differences (
  org_id text COLLATE "C" NOT NULL,
  adapter text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  entity text COLLATE "C" NOT NULL,
  records integer NOT NULL,
  since timestamptz NOT NULL DEFAULT now(),
  checked_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT giving_differences_pkey PRIMARY KEY (org_id, adapter, kind)
);
COMMENT ON TABLE sync.giving_differences IS
  'How many gifts, refunds, batches or months do not add up, as of the last comparison; no row where all do.';
COMMENT ON COLUMN sync.giving_differences.org_id IS 'The church.';
COMMENT ON COLUMN sync.giving_differences.adapter IS 'The source.';
COMMENT ON COLUMN sync.giving_differences.kind IS 'What does not add up.';
COMMENT ON COLUMN sync.giving_differences.entity IS 'The entity of the gifts, whose check shows it.';
COMMENT ON COLUMN sync.giving_differences.records IS 'How many of them.';
COMMENT ON COLUMN sync.giving_differences.since IS 'When it was first found.';
COMMENT ON COLUMN sync.giving_differences.checked_at IS 'When it was last found.';
"""


def upgrade() -> None:
    said = "Gifts of money by fund and month, of the living rows of openfaith.donations and what belongs to them."
    comments = [f"COMMENT ON VIEW openfaith_live.fund_months IS '{said}'"]
    for name, text in COMMENTS.items():
        quoted = text.replace("'", "''")
        comments.append(f"COMMENT ON COLUMN openfaith_live.fund_months.{name} IS '{quoted}'")
    op.execute(";\n".join([MONTH_OF.strip().rstrip(";"), FUND_MONTHS, *comments, DIFFERENCES]))
