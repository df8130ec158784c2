"""Webhook events and subscriptions."""
