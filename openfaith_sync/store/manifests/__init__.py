"""The tables and views that a manifest makes."""
