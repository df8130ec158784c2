"""One HTTP client: bounded, authorized, its outcomes decided in one table."""
