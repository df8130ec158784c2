"""The protocols that sources speak, one folder each."""
