"""A record as the source sent it, as it is stored, or set aside with the reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeAlias

from openfaith_sync.domain.ids import UNIDENTIFIED, EntityId, EntityName, ExternalId
from openfaith_sync.domain.record_tables import RecordTable

UNREADABLE_VALUES = "unreadable_values"
"""The report key for values that left their columns empty."""

JsonObject: TypeAlias = Mapping[str, Any]


# Named tuples: a frozen dataclass takes 1.3 µs to make where these take 0.4, and there is at least one a record.
class Reference(NamedTuple):
    """The target of a relationship, as the source names it."""

    external_id: ExternalId
    type: str
    """The type on the wire; it alone decides which entity this is."""


class Damage(NamedTuple):
    """Why a row of the source cannot be read as a record."""

    field: str
    value_type: str
    reason: str


class RawRecord(NamedTuple):
    """One record as the source sent it, without the protocol's envelope."""

    external_id: ExternalId
    attributes: JsonObject
    references: Mapping[str, Reference | None]
    """Relationships sent as one reference or as unset, by name."""
    body: JsonObject
    """The whole resource object, kept for a dead letter."""
    members: Mapping[str, tuple[Reference, ...]] | None = None
    """Relationships sent as a list, in the source's order, by name."""
    oddities: JsonObject | None = None
    """Relationships sent in any other shape, unchanged, by name."""
    damage: Damage | None = None
    """Why it cannot be stored, when the row was no whole resource object of its type."""

    @property
    def is_unidentified(self) -> bool:
        """Return whether the row names no record; its external id is then a hash of its content."""
        return self.damage is not None and self.external_id.startswith(UNIDENTIFIED)


class Record(NamedTuple):
    """One record in canonical shape, ready to be stored."""

    external_id: ExternalId
    entity_id: EntityId
    version: datetime | None
    """The source's version of it (its ``updated_at``); ``None`` where the source shows none."""
    values: tuple[object, ...]
    """One value per column of the entity's ``RecordTable.columns``, in that order."""
    custom_fields: bytes
    """A JSON object: every attribute without a canonical home."""
    content_hash: bytes
    """16 bytes over ``values`` and ``custom_fields``; equal hashes mean nothing to write."""
    unreadable: tuple[str, ...] = ()
    """Attributes and relationships whose columns are empty because their values could not be read."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One record that could not be mapped; becomes a dead letter."""

    external_id: ExternalId
    field: str
    value_type: str
    reason: str
    body: JsonObject
    parent: ExternalId | None = None
    """The parent below which a nested record was read."""
    is_whole: bool = True
    """Whether ``body`` is the whole record as it came, so that it can be mapped again."""
    owners: tuple[EntityId, ...] = ()
    """What it belongs to, as far as that could be read."""


class Described(NamedTuple):
    """What the records of a batch tell of the record that one of their columns refers to."""

    place: int
    """The reference, among ``Record.values``."""
    columns: tuple[int, ...]
    """The values that tell something of it, by their places."""
    custom_fields: tuple[str, ...]
    """The custom fields that do."""


class RawBatch(Protocol):
    """The raw records of a batch, which the database may still refuse once they are mapped."""

    def reject(self, external_id: ExternalId, damage: Damage) -> Rejection | None:
        """Return the rejection of one of these records; ``None`` if it is none of them."""
        ...


@dataclass(frozen=True, slots=True)
class MappedBatch:
    """The records of one entity that one page brought."""

    entity: EntityName
    records: tuple[Record, ...]
    rejected: tuple[Rejection, ...] = ()
    table: RecordTable | None = None
    """The table of ``records``; may be missing where there are none."""
    described: tuple[Described, ...] = ()
    raws: tuple[RawBatch, ...] = field(default=(), repr=False, compare=False)
    """What ``records`` were mapped from, and the records of the page that were left out."""

    def __len__(self) -> int:
        """Count the records that came, stored or set aside."""
        return len(self.records) + len(self.rejected)

    def reject(self, external_id: ExternalId, damage: Damage) -> Rejection:
        """Return the rejection of one of the records, with its raw record."""
        found = (rejection for raws in reversed(self.raws) if (rejection := raws.reject(external_id, damage)))
        return next(found, Rejection(external_id, *damage, {"id": external_id}, is_whole=False))


def unreadable_values(batch: MappedBatch) -> dict[str, int]:
    """Count the values of a batch that left their columns empty, in all and by attribute; empty without any."""
    found = Counter(name for record in batch.records if record.unreadable for name in record.unreadable)
    by_name = {f"{UNREADABLE_VALUES}_of_{name}": count for name, count in sorted(found.items())}
    return {UNREADABLE_VALUES: found.total(), **by_name} if by_name else {}


def join_batches(batches: Sequence[MappedBatch]) -> MappedBatch:
    """Return one batch with the records of several of the same entity, in their order."""
    if len(batches) == 1:
        return batches[0]
    return replace(
        batches[0],
        records=tuple(record for batch in batches for record in batch.records),
        rejected=tuple(bad for batch in batches for bad in batch.rejected),
        raws=tuple(raws for batch in batches for raws in batch.raws),
    )
