from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
connection.execute(text("CREATE SCHEMA IF NOT EXISTS sync"))
context.configure(connection=connection, version_table_schema="sync")
with context.begin_transaction():
    context.run_migrations()
