"""What plain records need of their format: where rows and values stand in a document."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import httpx

from openfaith_sync.domain.manifest.entity import Entity

D = TypeVar("D")


class Documents(Protocol[D]):
    """One format of documents. A value is what JSON could hold: text, a number, a list, a mapping or nothing."""

    @property
    def media_type(self) -> str:
        """Return what answers are asked for as."""
        ...

    def parse(self, response: httpx.Response) -> D:
        """Return the document of a response.

        Raises:
            MalformedAnswer: The body is of another format, or broken.
        """
        ...

    def may_state_error(self, response: httpx.Response) -> bool:
        """Return whether the body can hold an error at all, without parsing it."""
        ...

    def rows_of(self, entity: Entity, document: D) -> list[object]:
        """Return the rows of a listing; empty only where the document is a listing without rows.

        Raises:
            MalformedAnswer: It is no listing of this entity.
        """
        ...

    def record_of(self, entity: Entity, document: D) -> object:
        """Return the record in the answer to a single read."""
        ...

    def value_at(self, document: D, path: str) -> object:
        """Return what stands at a path; ``None`` where nothing does."""
        ...


def value_below(found: object, path: str) -> object:
    """Return what stands at a path below a value; ``None`` where nothing does."""
    for step in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found
