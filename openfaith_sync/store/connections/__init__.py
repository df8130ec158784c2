"""Connections, credentials and tokens."""
