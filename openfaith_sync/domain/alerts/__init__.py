"""Alerts as values: where they are sent, what they say, and when."""
