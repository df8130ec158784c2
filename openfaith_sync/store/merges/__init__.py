"""Applying merges."""
