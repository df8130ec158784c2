"""Changes to the database's schema as data: each one statement, with what it costs."""

from dataclasses import dataclass

INDEX_ROWS_PER_SECOND = 150_000
"""Measured on 2 cores with other work: 3.7 s for an index on (org_id, reference) of 500,000 rows."""
LARGE_TABLE = 10_000
"""From so many rows, an index is made without blocking writers, outside a transaction."""

INSTANT = "milliseconds"


@dataclass(frozen=True, slots=True)
class SchemaStatement:
    """One statement."""

    statement: str
    cost: str = INSTANT
    """In words, for people."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """The changes of one table, view or schema, made in one transaction."""

    of: str
    """Its name, or what is changed."""
    made: tuple[SchemaStatement, ...]
    is_concurrent: bool = False
    """Made one by one, without a transaction, while workers write."""
    as_owner: bool = True
    """Made by the schema's owner; otherwise by the login itself."""

    @property
    def is_of_role(self) -> bool:
        """Return whether it makes a role, which all databases of a server share."""
        return self.of.startswith("role ")


def index_cost(rows: int) -> str:
    """Return what an index on so many rows costs, in words."""
    if rows < LARGE_TABLE:
        return INSTANT
    return f"about {max(1, round(rows / INDEX_ROWS_PER_SECOND))} s for {rows:,} rows, without blocking writes"


def quoted(*names: str) -> str:
    """Return names of ours as SQL: quoted, with dots between them."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    """Return a text as SQL, whatever the server's standard_conforming_strings is."""
    plain = "'" + text.replace("'", "''") + "'"
    return "E" + plain.replace("\\", "\\\\") if "\\" in text else plain
