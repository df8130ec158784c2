"""Entities that are listed only below a parent."""
