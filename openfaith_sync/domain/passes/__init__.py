"""Passes: a walk through a listing, its place, its counts and what it may delete."""
