"""The HTTP client: size and time limits, authorization, retries and one table of outcomes."""
