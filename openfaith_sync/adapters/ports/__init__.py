"""Protocols that clients depend on."""
