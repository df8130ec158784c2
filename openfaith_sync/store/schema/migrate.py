"""Migrate a database to the schema that the code expects. Imports alembic, so import this only when needed."""

import logging
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres.error_translation import translate
from openfaith_sync.store.schema.bookkeeping_comments import usual_comments

# Any number will do if every process uses the same one.
_LOCK = 0x0FA17_5C4E


def migrate(url: DatabaseUrl, target: str = "head") -> None:
    """Apply missing migrations in one transaction, one process at a time; waiting processes find them applied.

    Raises:
        DefinitionError: Something of the operator's own, such as a view, depends on what a migration removes.
        SyncError: The database fails, or refuses a statement; it is as it was before.
    """
    engine = create_engine(url.sqlalchemy, poolclass=NullPool)
    try:
        # The lock ends with the session, however it ends.
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            command.upgrade(alembic_config(connection), target)
            if target == "head":
                connection.execute(text(usual_comments()))
            connection.commit()
    except DBAPIError as error:
        cause = error.orig
        if isinstance(cause, psycopg.errors.DependentObjectsStillExist):
            raise DefinitionError(
                f"the database cannot be upgraded: {cause.diag.message_detail}; drop that, run any command again, "
                "which upgrades the database, and create it anew over the tables that there are then"
            ) from None
        ours = translate(cause) if isinstance(cause, psycopg.Error) else None
        if ours is None:
            raise
        # Not chained: the statement, which SQLAlchemy's error repeats, may contain a value.
        raise ours from None


def alembic_config(connection: object) -> Config:
    """Return alembic's configuration for an open connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # One line per migration is noise for everyone who did not ask for it.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return config
