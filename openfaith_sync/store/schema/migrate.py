"""Migrate a database to the schema that the code expects. Imports alembic, so import this only when needed."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine, text

from openfaith_sync.store.postgres.database_url import DatabaseUrl

# Any number will do if every process uses the same one.
_LOCK = 0x0FA17_5C4E


def migrate(url: DatabaseUrl, target: str = "head") -> None:
    """Apply missing migrations, one process at a time; waiting processes find them applied."""
    engine = create_engine(url.sqlalchemy, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        try:
            command.upgrade(alembic_config(connection), target)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})


def alembic_config(connection: object) -> Config:
    """Return alembic's configuration for an open connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # One line per migration is noise for everyone who did not ask for it.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return config
