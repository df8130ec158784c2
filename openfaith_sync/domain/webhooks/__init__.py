"""Webhook events, deliveries and subscriptions as values."""
