"""The table of due work."""
