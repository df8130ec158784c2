"""Builds requests whose paging, order and filters are query parameters that the manifest declares."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.pages.rows import fill_parameter, fill_path
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.manifest.dialect_files import ChangeFilter, PlainKeys
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Order


class PlainRequests:
    """Builds the requests of one adapter."""

    def __init__(self, adapter_file: PlainKeys, zone: ZoneInfo | None) -> None:
        """Read the parameters from the manifest; times are written in the source's time zone, if it has one."""
        self._paging = adapter_file.paging
        self._order = adapter_file.order
        self._changes = adapter_file.changes
        self._zone = zone

    def listing(self, entity: Entity, query: ListingQuery) -> Request:
        """Return the request for one page of a listing."""
        fixed = {**entity.parameters, **(entity.variants[query.variant] if entity.variants else {})}
        parameters: dict[str, str | int] = {name: fill_parameter(text, **query.ids) for name, text in fixed.items()}
        if entity.is_paged and not entity.has_one_record:
            parameters |= self._page(query, query.size or entity.page_size or self._paging.size)
        parameters |= self._ordered(entity, query)
        if self._changes is not None and (query.version_from or query.version_before):
            parameters = self._narrowed(entity, query, self._changes, parameters)
        path = entity.path + fill_path(entity.endpoints.list, **query.ids)
        return Request(path, parameters, entity.version, is_reducible=query.is_reducible)

    def single(self, entity: Entity, ids: Mapping[str, ExternalId | None]) -> Request:
        """Return the request for one record; ``ids`` fill the path parameters.

        Raises:
            DefinitionError: The manifest has no endpoint for single records.
        """
        endpoints = entity.endpoints
        if endpoints.get is None:
            raise DefinitionError(f"the manifest does not say where a single {entity.name} is read")
        path = entity.path + fill_path(endpoints.get, **ids)
        parameters = {name: fill_parameter(text, **ids) for name, text in endpoints.get_parameters.items()}
        return Request(path, parameters, entity.version)

    def _page(self, query: ListingQuery, size: int) -> dict[str, str | int]:
        paging = self._paging
        if paging.by == "link" and query.token:
            # Only the link's query is used, to select the page; host and path come from the manifest.
            return dict(parse_qsl(urlsplit(query.token).query, keep_blank_values=True))
        sized: dict[str, str | int] = {paging.size_parameter: size}
        if paging.by in {"cursor", "link"}:
            return sized | ({paging.cursor_parameter: query.token} if query.token else {})
        if paging.by == "page":
            return sized | {paging.page_parameter: query.offset // size + 1}
        return sized | {paging.offset_parameter: query.offset}

    def _ordered(self, entity: Entity, query: ListingQuery) -> dict[str, str]:
        order = self._order
        if order is None:
            return {}
        if query.order is Order.ID:
            return {} if order.by_id is None else {order.parameter: order.by_id}
        template = order.descending if query.order is Order.VERSION_DESCENDING else order.ascending
        return {order.parameter: template.replace("{attribute}", _key_of_version(entity))}

    def _narrowed(
        self, entity: Entity, query: ListingQuery, changes: ChangeFilter, parameters: dict[str, str | int]
    ) -> dict[str, str | int]:
        """Return the parameters with the bounds of a time span."""
        since = self._bound(entity, changes.since, changes.moment, query.version_from)
        before = self._bound(entity, changes.before, changes.moment, query.version_before)
        if changes.by == "expression":
            parts = [str(parameters[changes.parameter])] if changes.parameter in parameters else []
            parts += [part for part in (since, before) if part]
            return parameters | {changes.parameter: " and ".join(f"({part})" for part in parts)}
        bounds = {changes.parameter: since, changes.before_parameter: before}
        return parameters | {name: text for name, text in bounds.items() if name and text}

    def _bound(self, entity: Entity, template: str, form: str, moment: datetime | None) -> str | None:
        if moment is None:
            return None
        written = moment.astimezone(self._zone or UTC).strftime(form)
        return template.replace("{attribute}", _key_of_version(entity)).replace("{moment}", written)


def _key_of_version(entity: Entity) -> str:
    name = str(entity.delta.attribute)
    return entity.attributes[name].at or name
