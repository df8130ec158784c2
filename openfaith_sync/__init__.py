"""OpenFaith Sync: church management systems into PostgreSQL, kept right for years."""
