"""The dialect of plain records in any format: listings without a standard envelope."""

from collections.abc import Iterator
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

import httpx

from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.pages.page_proofs import prove_page, prove_size, prove_token
from openfaith_sync.adapters.dialects.pages.rows import (
    fill_path,
    parse_identity,
    stored_row,
    with_parent,
    with_positions,
)
from openfaith_sync.adapters.dialects.plain.documents import Documents, value_below
from openfaith_sync.adapters.dialects.plain.records import RowReader
from openfaith_sync.adapters.dialects.plain.requests import PlainRequests
from openfaith_sync.adapters.ports.answer_reader import StatedError
from openfaith_sync.domain.connections.connection import Identity
from openfaith_sync.domain.errors import DefinitionError, MalformedAnswer
from openfaith_sync.domain.ids import AccountId, ExternalId
from openfaith_sync.domain.manifest.dialect_files import PlainKeys, StatedErrors
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import Ancestors, FreshRecord, ListingQuery, Page
from openfaith_sync.domain.records.record import JsonObject, RawRecord

D = TypeVar("D")


class PlainDialect(Generic[D]):
    """Plain records in one format of documents; implements ``Dialect``."""

    def __init__(self, manifest: Manifest, documents: Documents[D], zone: ZoneInfo | None) -> None:
        """Configure the dialect from the manifest.

        Raises:
            DefinitionError: The manifest is for another dialect.
        """
        adapter_file = manifest.adapter_file
        if not isinstance(adapter_file, PlainKeys):
            raise DefinitionError(f"the {manifest.adapter} manifest does not use a dialect of plain records")
        self._keys = adapter_file
        self._documents = documents
        self._requests = PlainRequests(adapter_file, zone)
        self._readers = {
            name: RowReader(entity, zone, blank_is_missing=adapter_file.blank_is_missing)
            for name, entity in manifest.entities.items()
        }

    @property
    def media_type(self) -> str:
        """Return the media type that requests accept."""
        return self._documents.media_type

    def parse_document(self, response: httpx.Response) -> D:
        """Return the document of a successful response."""
        return self._documents.parse(response)

    def stated_error(self, response: httpx.Response) -> StatedError | None:
        """Return the error that the body states, if any, whatever the status."""
        declared = self._keys.stated_errors
        if declared is None or not self._documents.may_state_error(response):
            return None
        try:
            document = self._documents.parse(response)
        except MalformedAnswer:
            return None
        return self._error_in(document, declared)

    def accounts_in(self, response: httpx.Response) -> Iterator[AccountId]:
        """Yield the account that the response to ``auth.verify`` states, if any."""
        account = self.parse_identity(self.parse_document(response)).account
        return iter(() if account is None else (account,))

    def stated_accounts(self, document: D) -> Iterator[AccountId]:  # noqa: ARG002  the port's
        """Yield nothing: plain records do not state an account."""
        return iter(())

    def parse_identity(self, document: D) -> Identity:
        """Return whom the credentials belong to."""
        declared = self._keys.identity
        user = self._named_at(document, declared.user) if declared.user else "not stated"
        account = AccountId(self._named_at(document, declared.account)) if declared.account else None
        name = self._documents.value_at(document, declared.name) if declared.name else None
        return Identity(user, account, name if isinstance(name, str) else None)

    def listing_request(self, entity: Entity, query: ListingQuery) -> Request:
        """Return the request for one page of a listing."""
        return self._requests.listing(entity, query)

    def parse_page(self, entity: Entity, query: ListingQuery, document: D) -> Page:
        """Return the page for a query, after all checks."""
        if entity.has_one_record:
            found = [self._documents.record_of(entity, document)][query.offset :]
            return Page(self._read_rows(entity, query, found), total_count=1, has_next=False)
        rows = self._documents.rows_of(entity, document)
        if not entity.is_paged:
            whole, rows = len(rows), rows[query.offset :]
            return Page(self._read_rows(entity, query, rows), total_count=whole, has_next=False)
        size, token = query.size or entity.page_size or self._keys.paging.size, self._token_in(document)
        page = Page(
            records=self._read_rows(entity, query, rows),
            total_count=self._count_at(document, self._keys.total),
            has_next=self._has_next(document, query, len(rows), size) if query.token is None else token is not None,
            next_token=token,
        )
        prove_size(page, size)
        prove_token(page, query)
        return prove_page(entity, query, page)

    def record_request(
        self,
        entity: Entity,
        external_id: ExternalId,
        parent: ExternalId | None,
        ancestors: Ancestors,
        *,
        with_children: bool,  # noqa: ARG002
    ) -> Request:
        """Return the request for one record."""
        return self._requests.single(entity, {**ancestors, "id": external_id, "parent": parent})

    def parse_record(
        self,
        entity: Entity,
        external_id: ExternalId,
        parent: ExternalId | None,
        document: D,
        *,
        with_children: bool,  # noqa: ARG002
    ) -> FreshRecord:
        """Return the requested record."""
        record = self._readers[entity.name].read(self._documents.record_of(entity, document))
        if record.external_id != external_id:
            raise MalformedAnswer(f"the source sent another {entity.name} than the one requested")
        return FreshRecord(with_parent(entity, parent, record))

    def parse_payload(self, entity: Entity, payload: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record in an event's payload."""
        record = self._readers[entity.name].read(payload)
        if record.damage is not None:
            raise MalformedAnswer(f"the record in the event has an invalid {record.damage.field}")
        return with_parent(entity, parent, record)

    def parse_stored(self, entity: Entity, body: JsonObject, parent: ExternalId | None) -> RawRecord:
        """Return the record of a row that was kept."""
        return with_parent(entity, parent, self._readers[entity.name].read(stored_row(body)))

    def _read_rows(self, entity: Entity, query: ListingQuery, rows: list[object]) -> tuple[RawRecord, ...]:
        reader = self._readers[entity.name]
        records = tuple(with_parent(entity, query.parent, reader.read(row)) for row in rows)
        return with_positions(records, entity.path + fill_path(entity.endpoints.list, **query.ids), query.offset)

    def _has_next(self, document: D, query: ListingQuery, rows: int, size: int) -> bool:
        last_page = self._count_at(document, self._keys.last_page)
        if last_page is not None:
            return query.offset // size + 1 < last_page
        return rows >= size

    def _token_in(self, document: D) -> str | None:
        """Return the cursor or link of the next page; ``None`` on the last one.

        Raises:
            MalformedAnswer: The value at its path is not a cursor or link.
        """
        path = self._keys.paging.next
        found = self._documents.value_at(document, path) if path else None
        if found is None or found == "":
            return None
        if type(found) not in {str, int}:
            raise MalformedAnswer(f"the source's response has no valid page token at {path!r}")
        return str(found)

    def _count_at(self, document: D, path: str | None) -> int | None:
        """Return the number at a path.

        Raises:
            MalformedAnswer: The manifest declares a number there, but the response has none.
        """
        if path is None:
            return None
        found = self._documents.value_at(document, path)
        number = int(found) if isinstance(found, str) and found.isascii() and found.isdigit() else found
        if type(number) is not int or number < 0:
            raise MalformedAnswer(f"the source's response has no number at {path!r}")
        return number

    def _named_at(self, document: D, path: str) -> str:
        found = parse_identity(self._documents.value_at(document, path))
        if found is None:
            raise MalformedAnswer(f"the source's response has no id at {path!r}")
        return found

    def _error_in(self, document: D, declared: StatedErrors) -> StatedError | None:
        for path in declared.at:
            found = self._documents.value_at(document, path)
            first = found[0] if isinstance(found, list) and found else found
            if first:
                return StatedError(_code_of(value_below(first, declared.code) if declared.code else None))
        if any(self._documents.value_at(document, path) is False for path in declared.false_at):
            return StatedError(None)
        return None


def _code_of(found: object) -> str | None:
    text = str(found).strip() if isinstance(found, str | int) else ""
    return (text.lstrip("0") or "0") if text.isdigit() else text or None
