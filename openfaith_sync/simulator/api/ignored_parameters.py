"""Ignoring: parameters the source takes without a word and does not heed."""

from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from openfaith_sync.simulator.api.query import Query


class Ignored(BaseModel):
    """Parameters that are ignored from now on; the answer is 200 with everything, and links repeat them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str = ""
    """Text the request's path must hold."""
    filters: Literal["all"] | tuple[str, ...] = "all"
    """The attributes whose `where[...]` is ignored."""
    order: bool = False
    """Whether `order` is."""


def without_ignored(ignored: tuple[Ignored, ...], path: str, query: Query) -> Query:
    """Return the query as the source heeds it."""
    for one in ignored:
        if one.path in path:
            kept = tuple(where for where in query.wheres if one.filters != "all" and where.name not in one.filters)
            query = replace(query, wheres=kept, order=() if one.order else query.order)
    return query
