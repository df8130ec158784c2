"""The HTTP server that receives webhooks and OAuth redirects."""
