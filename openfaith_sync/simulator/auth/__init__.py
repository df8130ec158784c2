"""Access control and the OAuth server."""
