"""The manifest model, and the dependency graph derived from it."""
