"""Erased records: known by keyed hashes only, and kept out of whatever a source sends again."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, IdDeriver, OrgId
from openfaith_sync.domain.mapping.unstorable_text import storable_json, storable_text
from openfaith_sync.domain.passes.passes import PageCommit, ParentListing
from openfaith_sync.domain.records.record import Described, JsonObject, MappedBatch, Record

ERASED = "erased:"
"""Begins the external id of an erased record's row; the keyed hash follows."""

WITHHELD: JsonObject = {"withheld": "it names an erased record"}
"""What stands for the raw JSON of a record that names an erased one."""

LONGEST_ID = 200
"""Longer texts are no ids."""


class ErasedRecord(NamedTuple):
    """A record that a page brought although it, or what it belongs to, was erased."""

    entity: EntityName
    external_id: ExternalId
    hash: str
    subject: str
    """The hash of the record for whose sake it is kept out: its own, or that of the person it belongs to."""


class FilteredPage(NamedTuple):
    """A page without what was erased."""

    page: PageCommit
    erased: tuple[ErasedRecord, ...]


@dataclass(frozen=True, slots=True)
class Erasures:
    """What was erased of one org's records from one adapter."""

    org: OrgId
    adapter: AdapterName
    key: bytes = field(repr=False)
    """The key of the hashes: the org's own, as long as the org exists."""
    subjects: Mapping[str, str]
    """The subject's hash of each erased record's hash."""
    entities: tuple[EntityName, ...] = ()
    """The entities of which records were erased."""

    def __bool__(self) -> bool:
        """Return whether anything was erased."""
        return bool(self.subjects)

    def hash(self, entity_id: str) -> str:
        """Return the keyed hash by which an erased record is known."""
        return hmac.digest(self.key, entity_id.encode(), "sha256").hex()

    def find(self, entity_id: str) -> str | None:
        """Return the hash of a record if it was erased."""
        found = self.hash(entity_id)
        return found if found in self.subjects else None

    def hash_of(self, entity: EntityName, external_id: str) -> str:
        """Return the keyed hash of a record, given the source's id."""
        return self.hash(IdDeriver(self.org, self.adapter, entity)(storable_text(external_id)))

    def has(self, entity: EntityName, external_id: str) -> bool:
        """Return whether a record was erased, given the source's id."""
        return entity in self.entities and self.hash_of(entity, external_id) in self.subjects

    def is_named_in(self, body: object) -> bool:
        """Return whether any value in a JSON document is the id of an erased record, the source's or ours."""
        return any(
            self.find(value) or any(self.has(entity, value) for entity in self.entities) for value in set(_texts(body))
        )

    def without(self, page: PageCommit, entity: EntityName) -> FilteredPage:
        """Return a page of an entity without erased records, and without what belongs to them or tells of them.

        In listings, an erased record has the external id of its row, so that listings still count right.
        """
        erased: list[ErasedRecord] = []
        filtered = replace(
            page,
            batches=tuple(self._without(batch, erased) for batch in page.batches),
            listed=tuple(self._listed(entity, page.listed)),
            listed_versions={
                known: version for known, version in page.listed_versions.items() if not self.has(entity, known)
            },
            older=tuple(one for one in page.older if not self.has(entity, one.external_id)),
            parents=tuple(self._with_listed(entity, parent) for parent in page.parents),
            memberships=tuple(one for one in page.memberships if not self.has(one.entity, one.external_id)),
            tombstones=tuple(one for one in page.tombstones if not self.find(one.entity_id)),
            answers={known: answer for known, answer in page.answers.items() if not self.has(entity, known)},
        )
        return FilteredPage(filtered, tuple(erased))

    def without_erased(self, batch: MappedBatch) -> MappedBatch:
        """Return a batch without erased records."""
        return self._without(batch, [])

    def _listed(self, entity: EntityName, listed: Iterable[ExternalId]) -> Iterator[ExternalId]:
        for external_id in listed:
            found = self.hash_of(entity, external_id) if entity in self.entities else ""
            yield ExternalId(ERASED + found) if found in self.subjects else external_id

    def _with_listed(self, entity: EntityName, parent: ParentListing) -> ParentListing:
        return replace(parent, listed=tuple(self._listed(entity, parent.listed)))

    def _without(self, batch: MappedBatch, erased: list[ErasedRecord]) -> MappedBatch:
        columns = batch.table.columns if batch.table is not None else ()
        owners = [place for place, column in enumerate(columns) if column.is_owner]
        if not batch.rejected and not owners and not batch.described and batch.entity not in self.entities:
            return batch
        records, rejected = [], []
        for record in batch.records:
            named = (record.values[place] for place in owners)
            subject = self._subject(record.entity_id, (str(owner) for owner in named if owner is not None))
            if subject is None:
                records.append(self._less_described(record, batch.described))
            else:
                erased.append(ErasedRecord(batch.entity, record.external_id, self.hash(record.entity_id), subject))
        derive = IdDeriver(self.org, self.adapter, batch.entity)
        for bad in batch.rejected:
            entity_id = derive(bad.external_id)
            subject = self._subject(entity_id, bad.owners)
            if subject is None:
                rejected.append(replace(bad, body=WITHHELD, is_whole=False) if self.is_named_in(bad.body) else bad)
            else:
                erased.append(ErasedRecord(batch.entity, bad.external_id, self.hash(entity_id), subject))
        return replace(batch, records=tuple(records), rejected=tuple(rejected))

    def _subject(self, entity_id: str, owners: Iterable[str]) -> str | None:
        for known in (entity_id, *owners):
            if (found := self.find(known)) is not None:
                return self.subjects[found]
        return None

    def _less_described(self, record: Record, described: Iterable[Described]) -> Record:
        """Return a record without what it tells of an erased one."""
        for part in described:
            reference = record.values[part.place]
            if reference is not None and self.find(str(reference)):
                record = without_description(record, part)
        return record


def without_description(record: Record, part: Described) -> Record:
    """Return a record without what it tells of the record that a column refers to."""
    values = tuple(None if place in part.columns else value for place, value in enumerate(record.values))
    custom = {key: value for key, value in json.loads(record.custom_fields).items() if key not in part.custom_fields}
    content_hash = hash_without_description(record.content_hash, part)
    return record._replace(values=values, custom_fields=storable_json(custom), content_hash=content_hash)


def hash_without_description(content_hash: bytes, part: Described) -> bytes:
    """Return the content hash of a record that had this one, less what it told of an erased record."""
    return hashlib.blake2b(content_hash + "\0".join(part.custom_fields).encode(), digest_size=16).digest()


def _texts(body: object) -> Iterator[str]:
    """Yield the texts and whole numbers in a JSON document that may be ids, as text."""
    waiting: list[Any] = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, str | int) and not isinstance(value, bool) and len(text := str(value)) <= LONGEST_ID:
            yield storable_text(text)
