"""Reconciliation, and what a deletion must prove."""
