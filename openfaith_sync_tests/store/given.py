"""Rows of giving for the store's tests: gifts with their parts, refunds and batches, as a sync stores them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from openfaith_sync.domain.ids import EntityName, OrgId, derive_entity_id
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import NOON, ORG, PCO, run

ENTITIES: Mapping[str, EntityName] = {
    "organizations": EntityName("giving_organization"),
    "funds": EntityName("fund"),
    "batches": EntityName("batch"),
    "donations": EntityName("donation"),
    "designations": EntityName("designation"),
    "refunds": EntityName("refund"),
    "designation_refunds": EntityName("designation_refund"),
}


@dataclass
class Giving:
    """One church's giving; rows are written as they are told, and replaced if they are told again."""

    database: Database
    org: OrgId = ORG
    zone: str = "America/Chicago"
    _made: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.put("organizations", "1", name="Grace", time_zone=self.zone)

    def id(self, table: str, external_id: str | None) -> str | None:
        return None if external_id is None else derive_entity_id(self.org, PCO, ENTITIES[table], external_id)

    def put(self, table: str, external_id: str, **values: Any) -> None:
        """Write a row of a canonical table."""
        row = {
            "org_id": self.org,
            "adapter": PCO,
            "type": ENTITIES[table],
            "external_id": external_id,
            "id": self.id(table, external_id),
            "content_hash": b"",
            "synced_at": NOON,
            **values,
        }
        names = ", ".join(f'"{name}"' for name in row)
        changed = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in row)
        run(
            self.database,
            f"INSERT INTO openfaith.{table} ({names}) VALUES ({', '.join(['%s'] * len(row))}) "
            f"ON CONFLICT (org_id, external_id, type, adapter) DO UPDATE SET {changed}",
            *row.values(),
        )

    def give(
        self,
        external_id: str,
        parts: Mapping[str, int],
        received_at: datetime = NOON,
        *,
        currency: str = "USD",
        batch: str | None = None,
        **values: Any,
    ) -> None:
        """Write a gift with one part for each fund, in cents."""
        self.put(
            "donations",
            external_id,
            **{
                "amount_cents": sum(parts.values()),
                "currency": currency,
                "fee_cents": 0,
                "payment_status": "succeeded",
                "received_at": received_at,
                "batch_id": self.id("batches", batch),
                **values,
            },
        )
        for fund, cents in parts.items():
            self.put(
                "designations",
                f"{external_id}-{fund}",
                donation_id=self.id("donations", external_id),
                fund_id=self.id("funds", fund),
                amount_cents=cents,
                currency=currency,
            )

    def refund(
        self, gift: str, parts: Mapping[str, int], refunded_at: datetime = NOON, *, names_parts: bool = True
    ) -> None:
        """Write the refund of a gift, of these cents of its parts."""
        self.put(
            "refunds",
            f"r{gift}",
            donation_id=self.id("donations", gift),
            amount_cents=-sum(parts.values()),
            currency="USD",
            refunded_at=refunded_at,
        )
        for fund, cents in parts.items() if names_parts else ():
            self.put(
                "designation_refunds",
                f"r{gift}-{fund}",
                refund_id=self.id("refunds", f"r{gift}"),
                designation_id=self.id("designations", f"{gift}-{fund}"),
                amount_cents=-cents,
                currency="USD",
            )


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]
