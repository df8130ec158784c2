"""Query parameters that the source accepts but silently ignores."""

from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from openfaith_sync.simulator.api.query import Query


class IgnoredParameters(BaseModel):
    """Parameters to ignore from now on; the response is 200 with all records, and links repeat them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str = ""
    """Text that the request's path must contain."""
    filters: Literal["all"] | tuple[str, ...] = "all"
    """The attributes whose `where[...]` is ignored."""
    order: bool = False
    """Whether `order` is ignored."""


def drop_ignored(ignored: tuple[IgnoredParameters, ...], path: str, query: Query) -> Query:
    """Return the query without the parameters that the source ignores."""
    for one in ignored:
        if one.path in path:
            kept = tuple(where for where in query.wheres if one.filters != "all" and where.name not in one.filters)
            query = replace(query, wheres=kept, order=() if one.order else query.order)
    return query
