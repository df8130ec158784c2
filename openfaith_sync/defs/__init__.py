"""Everything that Dagster loads is built here."""
