from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
connection.execute(text("CREATE SCHEMA IF NOT EXISTS sync"))
context.configure(connection=connection, version_table_schema="sync")
with context.begin_transaction():
    # A deployment's limits are for its syncs and its people: a migration may take minutes, and ends as a whole.
    for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET LOCAL {limit} = 0"))
    # Waits for every page that is being committed, and keeps out those that begin, since each checks its lease first.
    if connection.execute(text("SELECT to_regclass('sync.leases')")).scalar():
        connection.execute(text("LOCK TABLE sync.leases IN ACCESS EXCLUSIVE MODE"))
    context.run_migrations()
