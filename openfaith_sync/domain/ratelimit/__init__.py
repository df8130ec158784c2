"""The rules of a shared request budget."""
