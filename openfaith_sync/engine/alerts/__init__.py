"""Sending what the outbox of alerts holds."""
