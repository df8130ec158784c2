"""The port of a document format: how rows and values are found in a document."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import httpx

from openfaith_sync.domain.manifest.entity import Entity

D = TypeVar("D")


class Documents(Protocol[D]):
    """One document format. Values are those of JSON: text, numbers, lists, mappings or nothing."""

    @property
    def media_type(self) -> str:
        """Return the media type that requests accept."""
        ...

    def parse(self, response: httpx.Response) -> D:
        """Return the document of a response.

        Raises:
            MalformedAnswer: The body has another format, or is broken.
        """
        ...

    def may_state_error(self, response: httpx.Response) -> bool:
        """Return whether the body may contain an error, without parsing it."""
        ...

    def rows_of(self, entity: Entity, document: D) -> list[object]:
        """Return the rows of a listing; empty only if the document is a listing without rows.

        Raises:
            MalformedAnswer: The document is not a listing of this entity.
        """
        ...

    def record_of(self, entity: Entity, document: D) -> object:
        """Return the record in the response to a single read."""
        ...

    def value_at(self, document: D, path: str) -> object:
        """Return the value at a path; ``None`` if there is none."""
        ...


def value_below(found: object, path: str) -> object:
    """Return the value at a path below another value; ``None`` if there is none."""
    for step in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found
