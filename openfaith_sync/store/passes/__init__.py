"""Passes, leases and checkpoints."""
