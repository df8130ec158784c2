"""Predictions of what a sync will cost and delete, before it runs."""
