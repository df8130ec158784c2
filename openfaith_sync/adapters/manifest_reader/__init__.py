"""Reads manifest folders and reports their mistakes."""
