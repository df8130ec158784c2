"""JSON documents: a list of records, or an object that contains one."""

from collections.abc import Mapping

import httpx

from openfaith_sync.adapters.client.response_bodies import parse_json_body
from openfaith_sync.adapters.dialects.plain.documents import value_below
from openfaith_sync.domain.errors import DefinitionError, MalformedAnswer
from openfaith_sync.domain.manifest.dialect_files import JsonListFile
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.parsing import json_type

_PARSED = "openfaith_sync.document"


class JsonDocuments:
    """JSON as the manifest describes it; implements ``Documents``."""

    media_type = "application/json"

    def __init__(self, manifest: Manifest) -> None:
        """Read the paths of rows and records from the manifest.

        Raises:
            DefinitionError: The manifest is for another dialect.
        """
        if not isinstance(manifest.adapter_file, JsonListFile):
            raise DefinitionError(f"the {manifest.adapter} manifest does not use the json_list dialect")
        self._keys = manifest.adapter_file

    def parse(self, response: httpx.Response) -> object:
        """Return the value of the document; each response is parsed once."""
        if _PARSED not in response.extensions:
            response.extensions[_PARSED] = parse_json_body(response)
        found: object = response.extensions[_PARSED]
        return found

    def may_state_error(self, response: httpx.Response) -> bool:
        """Return whether the body is not a list: a list never contains an error."""
        return response.content.lstrip()[:1] != b"["

    def rows_of(self, entity: Entity, document: object) -> list[object]:
        """Return the rows of a listing."""
        path = entity.rows or self._keys.rows
        rows = value_below(document, path) if path else document
        if not isinstance(rows, list):
            where = f" at {path!r}" if path else ""
            raise MalformedAnswer(f"the source's response has a JSON {json_type(rows)}{where}, expected a list of rows")
        return rows

    def record_of(self, entity: Entity, document: object) -> object:
        """Return the record of a single read, which may be wrapped in a list."""
        path = entity.record or self._keys.record
        found = value_below(document, path) if path else document
        record = found[0] if isinstance(found, list) and len(found) == 1 else found
        if not isinstance(record, Mapping):
            raise MalformedAnswer(f"the source's response is a JSON {json_type(record)}, expected one {entity.name}")
        return record

    def value_at(self, document: object, path: str) -> object:
        """Return the value at a path."""
        return value_below(document, path)
