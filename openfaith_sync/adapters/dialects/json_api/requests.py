"""Builds the requests of a JSON:API source, with Planning Center's query parameters."""

from collections.abc import Collection, Mapping

from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.json_api.included import Inclusion
from openfaith_sync.adapters.dialects.pages.rows import fill_parameter, fill_path
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.paging import Paging
from openfaith_sync.domain.passes.listing import ListingQuery, Order
from openfaith_sync.domain.passes.walk_place import version_key


class JsonApiRequests:
    """Builds the requests of one adapter."""

    def __init__(self, paging: Paging, entities: Mapping[EntityName, Entity]) -> None:
        """Read the parameters' names from the manifest."""
        self._paging = paging
        self._entities = entities

    def listing(self, entity: Entity, query: ListingQuery) -> Request:
        """Return the request for one page of a listing."""
        paging = self._paging
        fixed = {**entity.parameters, **(entity.variants[query.variant] if entity.variants else {})}
        parameters: dict[str, str | int] = {name: fill_parameter(text, **query.ids) for name, text in fixed.items()}
        if not entity.has_one_record:
            parameters[paging.size_parameter] = query.size or entity.page_size or paging.size
            if query.offset:
                parameters[paging.offset_parameter] = query.offset
        version = entity.delta.attribute
        if query.is_sparse:
            # An unknown attribute selects nothing, which is intended for entities without a version.
            parameters[f"fields[{entity.resource}]"] = version or "id"
        else:
            parameters |= _included(self.inclusion(entity, query.children))
        if query.order is not Order.ID:
            parameters["order"] = f"-{version}" if query.order is Order.VERSION_DESCENDING else str(version)
        if query.version_from:
            parameters[f"where[{version}][gte]"] = version_key(query.version_from)
        if query.version_before:
            parameters[f"where[{version}][lt]"] = version_key(query.version_before)
        if query.within is not None and query.within.begin is not None:
            parameters[f"where[{query.within.attribute}][gte]"] = version_key(query.within.begin)
        if query.within is not None and query.within.end is not None:
            parameters[f"where[{query.within.attribute}][lt]"] = version_key(query.within.end)
        is_deep = paging.deep_offset is not None and query.offset > paging.deep_offset.above
        path = entity.path + fill_path(entity.endpoints.list, **query.ids)
        return Request(path, parameters, entity.version, is_deep, query.is_reducible)

    def single(self, entity: Entity, ids: Mapping[str, ExternalId | None], *, with_children: bool) -> Request:
        """Return the request for one record; ``ids`` fill the path parameters.

        Raises:
            DefinitionError: The manifest has no endpoint for single records.
        """
        if entity.endpoints.get is None:
            raise DefinitionError(f"the manifest does not say where a single {entity.name} is read")
        path = entity.path + fill_path(entity.endpoints.get, **ids)
        parameters = _included(self.single_inclusion(entity, with_children=with_children))
        return Request(path, parameters, entity.version, is_reducible=with_children)

    def inclusion(self, entity: Entity, children: Collection[EntityName]) -> Inclusion:
        """Return what a request for whole records includes, of these children."""
        stored = ((path, EntityName(child)) for path, child in entity.sideload.items())
        return Inclusion(entity, {path: self._entities[child] for path, child in stored if child in children})

    def single_inclusion(self, entity: Entity, *, with_children: bool) -> Inclusion:
        """Return what a request for a single record includes."""
        return self.inclusion(
            entity, {EntityName(child) for child in entity.sideload.values()} if with_children else ()
        )


def _included(inclusion: Inclusion) -> dict[str, str | int]:
    parameters: dict[str, str | int] = {
        f"fields[{resource}]": ",".join(names) for resource, names in inclusion.fieldsets().items()
    }
    if paths := inclusion.paths:
        parameters["include"] = ",".join(paths)
    return parameters
