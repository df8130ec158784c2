"""The shared request budget."""
