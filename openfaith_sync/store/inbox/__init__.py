"""The webhook inbox."""
