"""Webhook subscriptions and their status."""
