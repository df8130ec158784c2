"""The JSON:API dialect."""
