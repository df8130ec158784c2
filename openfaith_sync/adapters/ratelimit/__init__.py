"""Rate limiting: when a request may be sent."""
