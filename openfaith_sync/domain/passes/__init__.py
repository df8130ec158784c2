"""Passes: a walk through a listing, its place, its counts and the deletions that it may make."""
