"""PostgreSQL itself: the embedded server, URLs, errors and statements."""
