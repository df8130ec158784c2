"""Canonical tables: giving. Amounts are whole cents with a currency; a refund is negative.

What belongs to a gift is erased with it, but a gift stays when its giver is erased: without the giver, so that the
church's sums stay right.
"""

from openfaith_sync.domain.canonical_columns import PUBLIC, SENSITIVE, owner, reference, severed, text, typed
from openfaith_sync.domain.record_tables import Column, ColumnType, RecordTable


def _money(*, has_fee: bool = True, **described: str) -> tuple[Column, ...]:
    fee = {"fee_cents": "What the payment cost, in cents: zero or negative; net = amount + fee."} if has_fee else {}
    return (
        *typed(ColumnType.BIGINT, SENSITIVE, **described, **fee),
        *text(SENSITIVE, currency="Of the amounts: ISO 4217, such as USD."),
    )


GIVING_TABLES = (
    RecordTable(
        "funds",
        (
            *text(
                PUBLIC,
                name="The fund's name.",
                description="What the church says of it.",
                ledger_code="The church's account for it.",
                color="Its color.",
            ),
            *typed(ColumnType.BOOLEAN, PUBLIC, is_default="Whether gifts go to it unless the giver says otherwise."),
        ),
        sensitivity=PUBLIC,
        comment="What people give to.",
    ),
    RecordTable(
        "batches",
        (
            *text(
                SENSITIVE,
                name="The batch's name.",
                state="in_progress, updating, committed: as the source says; gifts count once it is committed.",
            ),
            *_money(has_fee=False, total_cents="The sum of its gifts in cents, as the source states it."),
            *typed(ColumnType.INTEGER, SENSITIVE, donations_count="How many gifts it has, as the source counts them."),
            *typed(ColumnType.TIMESTAMP, SENSITIVE, committed_at="When it was committed."),
            *reference(SENSITIVE, batch_group_id="The group of batches, in the source's own table."),
        ),
        sensitivity=SENSITIVE,
        comment="Gifts that were entered together.",
    ),
    RecordTable(
        "donations",
        (
            *severed(person_id="The giver; null for an anonymous gift."),
            *reference(SENSITIVE, batch_id="The batch.", campus_id="The campus."),
            *_money(amount_cents="The whole amount in cents, which is the sum of its designations."),
            *typed(
                ColumnType.TIMESTAMP,
                SENSITIVE,
                received_at="When it was received, as the church says: it decides the month.",
                completed_at="When the payment was completed, or its batch committed.",
            ),
            *text(
                SENSITIVE,
                payment_method="cash, check, card, ach: as the source says.",
                payment_status="pending, succeeded or failed; only succeeded gifts count.",
            ),
            *typed(ColumnType.BOOLEAN, SENSITIVE, refunded="Whether any of it was refunded; see the refunds."),
            *reference(
                SENSITIVE,
                payment_source_id="Where it was given, in the source's own table.",
                recurring_donation_id="The standing order that it came by, in the source's own table.",
            ),
        ),
        indexed=("person_id", "batch_id"),
        sensitivity=SENSITIVE,
        comment="Gifts of money.",
    ),
    RecordTable(
        "designations",
        (
            *owner(SENSITIVE, donation_id="The gift."),
            *reference(SENSITIVE, fund_id="The fund."),
            *_money(amount_cents="The part of the gift for this fund, in cents."),
        ),
        indexed=("donation_id", "fund_id"),
        sensitivity=SENSITIVE,
        comment="How gifts are split between funds.",
    ),
    RecordTable(
        "refunds",
        (
            *owner(SENSITIVE, donation_id="The gift."),
            *_money(amount_cents="What was given back, in cents: negative."),
            *typed(ColumnType.TIMESTAMP, SENSITIVE, refunded_at="When it was given back."),
        ),
        indexed=("donation_id",),
        sensitivity=SENSITIVE,
        comment="Gifts, or parts of them, that were given back.",
    ),
    RecordTable(
        "designation_refunds",
        (
            *owner(SENSITIVE, refund_id="The refund."),
            *reference(SENSITIVE, designation_id="The part of the gift."),
            *_money(amount_cents="What was given back of this part, in cents: negative."),
        ),
        indexed=("refund_id", "designation_id"),
        sensitivity=SENSITIVE,
        comment="How refunds are split between the parts of their gifts.",
    ),
    RecordTable(
        "pledge_campaigns",
        (
            *text(PUBLIC, name="The campaign's name.", description="What the church says of it."),
            *typed(ColumnType.TIMESTAMP, PUBLIC, starts_at="When it begins.", ends_at="When it ends."),
            *typed(ColumnType.BIGINT, PUBLIC, goal_cents="What the church hopes for, in cents."),
            *text(PUBLIC, currency="Of the goal: ISO 4217, such as USD."),
            *reference(fund_id="The fund that it collects for."),
        ),
        indexed=("fund_id",),
        sensitivity=PUBLIC,
        comment="What people promise to give to.",
    ),
    RecordTable(
        "pledges",
        (
            *owner(SENSITIVE, person_id="Who promised."),
            *reference(
                SENSITIVE, pledge_campaign_id="The campaign.", joint_giver_id="Who promised together with them."
            ),
            *_money(
                has_fee=False,
                amount_cents="What was promised, in cents.",
                donated_cents="What was given of it so far, in cents, as the source states it.",
            ),
        ),
        indexed=("person_id", "pledge_campaign_id"),
        sensitivity=SENSITIVE,
        comment="Promises to give.",
    ),
)
