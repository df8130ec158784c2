"""The schemas, the metadata and the columns that many tables share."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, DateTime, MetaData, Text, TextClause, text
from sqlalchemy.types import TypeEngine

CANONICAL_SCHEMA = "openfaith"
SYNC_SCHEMA = "sync"

# Ids are compared byte by byte: faster than a language's order, and an index on them stays valid when the machine's C
# library changes its sorting.
ID = Text(collation="C")
MOMENT = DateTime(timezone=True)
NOW = text("now()")
ZERO = text("0")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def required(
    name: str, kind: TypeEngine[Any], comment: str | None = None, default: TextClause | None = None
) -> Column[Any]:
    """Return a column that is never null."""
    return Column(name, kind, nullable=False, server_default=default, comment=comment)


def keyed() -> Iterator[Column[Any]]:
    """Yield the columns of a sync key, the org first."""
    yield required("org_id", ID, "The church; every statement is bound to one.")
    yield required("adapter", ID)
    yield required("entity", ID)
