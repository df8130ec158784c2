"""The metadata of record tables, and the types that their columns share."""

from sqlalchemy import DateTime, MetaData, Text, text

# Ids are compared byte by byte: faster than a language's order, and an index on them stays valid when the machine's C
# library changes its sorting.
ID = Text(collation="C")
MOMENT = DateTime(timezone=True)
NOW = text("now()")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)
