"""The protocols that sources use, one folder each."""
