"""Planning Center's webhooks and subscriptions."""
