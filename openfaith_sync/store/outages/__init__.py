"""Alerts, circuit breakers and incidents."""
