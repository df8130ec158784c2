"""Dagster's room: what Dagster loads is built here."""
