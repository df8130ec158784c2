"""What listens on a port: the webhook receiver."""
