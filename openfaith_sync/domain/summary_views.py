"""Views that sum up or combine canonical tables, in the schema of their live views; migrations make them.

They show living rows only, and are as sensitive as what they are made of.
"""

from dataclasses import dataclass

from openfaith_sync.domain.record_tables import Column, ColumnType
from openfaith_sync.domain.sensitivity import Sensitivity

PUBLIC, PERSONAL, SENSITIVE = Sensitivity.PUBLIC, Sensitivity.PERSONAL, Sensitivity.SENSITIVE


@dataclass(frozen=True, slots=True)
class SummaryView:
    """One view, in the order of its columns."""

    name: str
    columns: tuple[Column, ...]
    sensitivity: Sensitivity
    comment: str


def _columns(kind: ColumnType, sensitivity: Sensitivity = SENSITIVE, /, **described: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind, sensitivity, comment=said) for name, said in described.items())


EDGES = SummaryView(
    "edges",
    (
        *_columns(
            ColumnType.TEXT,
            PUBLIC,
            org_id="The church; every statement is bound to one.",
            from_type="The entity of the record that refers.",
            from_id="The record that refers.",
            relation="The reference: the name of its column without _id.",
            to_type="The entity that it refers to.",
            to_id="The record that it refers to, which a later sync may bring.",
        ),
    ),
    PERSONAL,
    "All references between living records, as edges of a graph; without what is sensitive.",
)
"""Made from the catalogue whenever a manifest is applied."""

SUMMARY_VIEWS = (
    EDGES,
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
        SENSITIVE,
        "Gifts of money by fund and month, of the living rows of openfaith.donations and what belongs to them.",
    ),
    SummaryView(
        "field_values_typed",
        (
            *_columns(
                ColumnType.TEXT,
                PUBLIC,
                id="TypeID, derived from the record's identity at its source.",
                org_id="The church; every statement is bound to one.",
                adapter="The source.",
            ),
            *_columns(
                ColumnType.REFERENCE,
                PUBLIC,
                field_id="The field.",
                person_id="Whose value it is.",
                household_id="The household whose value it is.",
            ),
            *_columns(
                ColumnType.TEXT,
                PUBLIC,
                field_name="What people call the field.",
                data_type="The field's type; text if the field is not known yet.",
            ),
            *_columns(
                ColumnType.TEXT,
                PERSONAL,
                value="The value as the source sent it.",
                value_text="The value as text; of a file, its name.",
            ),
            *_columns(ColumnType.FLOAT, PERSONAL, value_number="The number, in a field of numbers."),
            *_columns(
                ColumnType.DATE,
                PERSONAL,
                value_date="The day, in a field of dates: ISO 8601, or as the church writes dates.",
            ),
            *_columns(ColumnType.BOOLEAN, PERSONAL, value_boolean="True or false, in a field of these."),
            *_columns(
                ColumnType.BOOLEAN, PUBLIC, is_read="Whether it could be read as its field's type; if not, it is text."
            ),
            *_columns(
                ColumnType.REFERENCE,
                PERSONAL,
                option_id="The option that was chosen: as the source names it, else the one with this text.",
            ),
            *_columns(
                ColumnType.BOOLEAN,
                PUBLIC,
                is_current="Whether the source shows it; of several values of a field that holds one, the newest.",
            ),
            *_columns(ColumnType.TEXT, PUBLIC, external_id="The source's id; unique within its entity only."),
            *_columns(ColumnType.TIMESTAMP, PUBLIC, created_at="The source's.", updated_at="The source's."),
        ),
        PERSONAL,
        "Values of custom fields, each read by the type of its field. Living rows only.",
    ),
    SummaryView(
        "person_fields",
        (
            *_columns(ColumnType.TEXT, PUBLIC, org_id="The church; every statement is bound to one."),
            *_columns(ColumnType.REFERENCE, PUBLIC, person_id="The person."),
            *_columns(
                ColumnType.JSON,
                PERSONAL,
                fields="By the fields' short names; a list where several boxes can be checked.",
            ),
        ),
        PERSONAL,
        "The current values of each person's custom fields, in one JSON object. Living rows only.",
    ),
    SummaryView(
        "attendance_counts",
        (
            *_columns(ColumnType.TEXT, PUBLIC, org_id="The church; every statement is bound to one."),
            *_columns(ColumnType.REFERENCE, PUBLIC, event_id="The event."),
            *_columns(
                ColumnType.TEXT,
                PUBLIC,
                kind="regular, guest, volunteer, or headcount for people who were only counted.",
            ),
            *_columns(
                ColumnType.BIGINT,
                PUBLIC,
                people="People who came; one who checked in twice counts once, and a volunteer as nothing else.",
                headcount="People who were counted without names.",
            ),
        ),
        PERSONAL,
        "How many came to each event, as the source's app shows it. Living rows only.",
    ),
)
